import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The server of the API while the page is worked on; in a build the page and the API share one origin.
const server = process.env["ENCLOS_URL"] ?? "http://127.0.0.1:7300";
const forwarded = { "/v1": { target: server, ws: true }, "/version": server };

export default defineConfig({
  plugins: [svelte()],
  // Or one would be looked for in every folder above.
  css: { postcss: {} },
  build: {
    target: "es2022",
    // A `data:` URI or an inline script would need a looser policy than the server sends.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: forwarded },
  preview: { proxy: forwarded },
  test: { include: ["src/**/*.test.ts", "scripts/**/*.test.ts"], environment: "node" },
});

import { afterEach, expect, it, vi } from "vitest";

import { Keyring } from "./keyring.svelte";

afterEach(() => vi.unstubAllGlobals());

it("a new secret of our own key is not followed by a reading that the old one is refused", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return Promise.resolve(asked.length === 1 ? Response.json({ id: "k", secret: "new" }) : Response.json({}, { status: 401 }));
  });
  const ring = new Keyring();
  expect((await ring.rotate("k", 0)).secret).toBe("new");
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(asked).toEqual(["/v1/keys/k/rotate"]);
  expect(ring.problem).toBeNull();
});

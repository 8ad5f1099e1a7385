// Refuses to go on where a package that ends up in the page has a licence that is not allowed.
import { readFile } from "node:fs/promises";

const ALLOWED = new Set(["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD"]);
const root = new URL("../", import.meta.url);
const lock = JSON.parse(await readFile(new URL("package-lock.json", root), "utf8"));

let looked = 0;
const refused = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === "" || entry.dev) continue;
  const { name, version, license } = JSON.parse(await readFile(new URL(`${path}/package.json`, root), "utf8"));
  looked += 1;
  if (!ALLOWED.has(license)) refused.push(`${name} ${version}: ${license ?? "none stated"}`);
}
if (looked === 0 || refused.length > 0) {
  console.error(looked === 0 ? "no package was looked at" : `not allowed:\n${refused.join("\n")}`);
  process.exit(1);
}
console.log(`${looked} packages, all of ${[...ALLOWED].join(", ")}`);

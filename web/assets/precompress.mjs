// Compresses each file of a folder as small as it gets: node dist packed. What does not become shorter is left out.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";

const [from, to] = process.argv.slice(2);

function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

function keep(path, bytes, compressed, restore) {
  if (compressed.length >= bytes.length) return;
  if (!restore(compressed).equals(bytes)) throw new Error(`${path} is not what was compressed`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, compressed);
}

for (const path of filesBelow(from)) {
  const bytes = readFileSync(path);
  const packed = join(to, relative(from, path));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  keep(`${packed}.br`, bytes, brotliCompressSync(bytes, { params }), brotliDecompressSync);
  keep(`${packed}.gz`, bytes, gzipSync(bytes, { level: 9 }), gunzipSync);
}

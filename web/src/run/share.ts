// A program in a link: base64url of deflate of JSON, in the fragment, which browsers never send.
import { fromBase64, through, toBase64 } from "./bytes";
import { parseProgram, type Program } from "./program";

/** A program of a link, in bytes of JSON: a few letters can unfold into gigabytes. */
const PROGRAM_BYTES_MAX = 4 * 1024 * 1024;
/** A link that messengers and browsers take, in letters. */
export const LINK_CHARS_MAX = 60_000;

/** What stands after `#/run?p=`. */
export async function packed(program: Program): Promise<string> {
  const json = new TextEncoder().encode(JSON.stringify(program));
  const bytes = (await through(json, new CompressionStream("deflate-raw"))) ?? json;
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The program of a link; `null` where there is none in it. */
export async function unpacked(text: string): Promise<Program | null> {
  if (text.length > LINK_CHARS_MAX) return null;
  try {
    const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
    const json = await through(bytes, new DecompressionStream("deflate-raw"), PROGRAM_BYTES_MAX);
    return json && parseProgram(JSON.parse(new TextDecoder().decode(json)));
  } catch {
    return null;
  }
}

/** The fragment that opens Run with a program. */
export async function programFragment(program: Program): Promise<string> {
  return `#/run?p=${await packed(program)}`;
}

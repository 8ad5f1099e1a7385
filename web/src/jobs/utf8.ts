// Bytes of an answer as text, where they are some.

/** The bytes that a base64 text stands for. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Reads bytes as text; what is no text becomes the sign for that. */
export class Utf8 {
  readonly #decoder = new TextDecoder();

  text(base64: string): string {
    return this.#decoder.decode(bytesOf(base64));
  }
}

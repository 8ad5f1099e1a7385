// Several files as one download, made here: tar (POSIX ustar) and zip (deflate).
import { fromBase64, joined, through } from "./bytes";
import type { ProgramFile } from "./program";

const BLOCK = 512;

export function bytesOf({ text, bytes }: ProgramFile): Uint8Array<ArrayBuffer> {
  return bytes === undefined ? new TextEncoder().encode(text) : fromBase64(bytes);
}

export function tar(files: readonly ProgramFile[], at: Date = new Date()): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  for (const file of files) {
    const bytes = bytesOf(file);
    pieces.push(tarHeader(file.path, bytes.length, at), bytes, new Uint8Array(-bytes.length & (BLOCK - 1)));
  }
  pieces.push(new Uint8Array(2 * BLOCK));
  return joined(pieces);
}

function tarHeader(path: string, size: number, at: Date): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const encoder = new TextEncoder();
  const put = (text: string, offset: number, length: number): void => header.set(encoder.encode(text).subarray(0, length), offset);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
  const [name, prefix] = tarName(path);
  put(name, 0, 100);
  put("0000644\0", 100, 8);
  put("0000000\0", 108, 8);
  put("0000000\0", 116, 8);
  put(octal(size, 11), 124, 12);
  put(octal(Math.floor(at.getTime() / 1000), 11), 136, 12);
  put("        ", 148, 8);
  put("0", 156, 1);
  put("ustar\x0000", 257, 8);
  put(prefix, 345, 155);
  put(`${octal(header.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148, 8);
  return header;
}

/** A path of more than 100 bytes is parted at a slash. */
function tarName(path: string): [string, string] {
  const length = (text: string): number => new TextEncoder().encode(text).length;
  if (length(path) <= 100) return [path, ""];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    if (length(path.slice(at + 1)) <= 100 && at <= 155) return [path.slice(at + 1), path.slice(0, at)];
  }
  return [path, ""];
}

interface Entry {
  name: Uint8Array;
  crc: number;
  size: number;
  packed: Uint8Array;
  offset: number;
}

const UTF8_NAME = 0x0800;
const DEFLATED = 8;
const VERSION = 20;

export async function zip(files: readonly ProgramFile[], at: Date = new Date()): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  const entries: Entry[] = [];
  let offset = 0;
  const push = (piece: Uint8Array): void => {
    pieces.push(piece);
    offset += piece.length;
  };
  const stamp = dosTime(at);
  for (const file of files) {
    const bytes = bytesOf(file);
    const packed = (await through(bytes, new CompressionStream("deflate-raw"))) ?? bytes;
    const entry = { name: new TextEncoder().encode(file.path), crc: crc32(bytes), size: bytes.length, packed, offset };
    entries.push(entry);
    push(numbers([0x04034b50, 4], ...fields(entry, stamp)));
    push(entry.name);
    push(packed);
  }
  const start = offset;
  for (const entry of entries) {
    push(numbers([0x02014b50, 4], [VERSION, 2], ...fields(entry, stamp), [0, 2], [0, 2], [0, 2], [0, 4], [entry.offset, 4]));
    push(entry.name);
  }
  const count = entries.length;
  push(numbers([0x06054b50, 4], [0, 4], [count, 2], [count, 2], [offset - start, 4], [start, 4], [0, 2]));
  return joined(pieces);
}

type Field = [value: number, bytes: 2 | 4];

function fields({ name, crc, size, packed }: Entry, stamp: number): Field[] {
  return [[VERSION, 2], [UTF8_NAME, 2], [DEFLATED, 2], [stamp, 4], [crc, 4], [packed.length, 4], [size, 4], [name.length, 2], [0, 2]];
}

function numbers(...list: Field[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [, length]) => sum + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, length] of list) {
    if (length === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += length;
  }
  return bytes;
}

function dosTime(at: Date): number {
  const date = ((at.getFullYear() - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
  return ((date << 16) | time) >>> 0;
}

export function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

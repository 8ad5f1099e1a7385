// ANSI escapes of a program's output, made harmless: colours and weights become the page's own classes,
// whatever else they ask for (titles, links, cursor moves) is left out, and other control characters
// are shown as symbols. Never makes HTML: what comes out is text and a number.

/** A look in 16 bits: foreground and background (0 none, else colour + 1, 5 bits each), then weights. */
export type Look = number;

const FG = 0x1f;
const BG_SHIFT = 5;
const BG = FG << BG_SHIFT;
const BOLD = 1 << 10;
const DIM = 1 << 11;
const ITALIC = 1 << 12;
const UNDERLINE = 1 << 13;
const INVERSE = 1 << 14;

export interface Piece {
  text: string;
  look: Look;
}

// CSI, the string sequences (OSC, DCS, …; to the end of the line where they do not end), then the rest.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])?|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?/g;
// eslint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;
// Turn the direction of what follows, and so make text look like another.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** The classes of a look; their colours are in `style/ansi.css`. */
export function classes(look: Look): string {
  if (look === 0) return "";
  const names: string[] = [];
  if (look & FG) names.push(`fg-${(look & FG) - 1}`);
  if (look & BG) names.push(`bg-${((look & BG) >> BG_SHIFT) - 1}`);
  if (look & BOLD) names.push("bold");
  if (look & DIM) names.push("dim");
  if (look & ITALIC) names.push("italic");
  if (look & UNDERLINE) names.push("underline");
  if (look & INVERSE) names.push("inverse");
  return names.join(" ");
}

/** The pieces of a line that begins with a look. */
export function pieces(line: string, look: Look): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  const push = (end: number): void => {
    if (end > at) found.push({ text: visible(line.slice(at, end)), look });
  };
  if (line.includes("\x1b")) {
    for (const escape of line.matchAll(ESCAPE)) {
      push(escape.index);
      at = escape.index + escape[0].length;
      look = after(escape, look);
    }
  }
  push(line.length);
  return found;
}

/** The look that the text leaves behind. */
export function advance(text: string, look: Look): Look {
  if (!text.includes("\x1b")) return look;
  for (const escape of text.matchAll(ESCAPE)) look = after(escape, look);
  return look;
}

/** Where text must be cut so that its end is no half of an escape; the text's length if it is whole. */
export function wholeUntil(text: string): number {
  const last = text.lastIndexOf("\x1b");
  if (last < 0 || text.length - last > HALF_MAX) return text.length;
  // eslint-disable-next-line no-control-regex
  return /^\x1b(?:\[[0-?]*[ -/]*)?$/.test(text.slice(last)) ? last : text.length;
}
const HALF_MAX = 64;

/** Control characters as symbols, so that they are seen and do nothing. */
export function visible(text: string): string {
  return text
    .replace(CONTROL, (char) => (char === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + char.charCodeAt(0))))
    .replace(TURNS, "\ufffd");
}

function after(escape: RegExpMatchArray, look: Look): Look {
  return escape[2] === "m" ? sgr(escape[1] ?? "", look) : look;
}

function sgr(parameters: string, look: Look): Look {
  const codes = parameters.split(/[;:]/).map((text) => Number.parseInt(text || "0", 10));
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, used } = extended(codes, index + 1);
      look = code === 38 ? withFg(look, colour) : withBg(look, colour);
      index += used;
    } else {
      look = simple(code, look);
    }
  }
  return look;
}

function simple(code: number, look: Look): Look {
  if (code === 0) return 0;
  if (code === 1) return look | BOLD;
  if (code === 2) return look | DIM;
  if (code === 3) return look | ITALIC;
  if (code === 4) return look | UNDERLINE;
  if (code === 7) return look | INVERSE;
  if (code === 22) return look & ~(BOLD | DIM);
  if (code === 23) return look & ~ITALIC;
  if (code === 24) return look & ~UNDERLINE;
  if (code === 27) return look & ~INVERSE;
  if (code >= 30 && code <= 37) return withFg(look, code - 30);
  if (code === 39) return look & ~FG;
  if (code >= 40 && code <= 47) return withBg(look, code - 40);
  if (code === 49) return look & ~BG;
  if (code >= 90 && code <= 97) return withFg(look, code - 90 + 8);
  if (code >= 100 && code <= 107) return withBg(look, code - 100 + 8);
  return look;
}

/** `5;n` and `2;r;g;b`: the nearest of the 16 colours, which are readable in both themes. */
function extended(codes: number[], at: number): { colour: number; used: number } {
  if (codes[at] === 5) return { colour: ofPalette(codes[at + 1] ?? 0), used: 2 };
  if (codes[at] === 2) return { colour: nearest(codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0), used: 4 };
  return { colour: 7, used: 1 };
}

function ofPalette(index: number): number {
  if (index < 16) return Math.max(0, index);
  if (index >= 232) return nearest(...grey(8 + 10 * (Math.min(index, 255) - 232)));
  const cube = index - 16;
  const level = (step: number): number => (step === 0 ? 0 : 55 + 40 * step);
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

const grey = (value: number): [number, number, number] => [value, value, value];

function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most - least < 32) return most < 64 ? 0 : most < 144 ? 8 : most < 220 ? 7 : 15;
  const half = (most + least) / 2;
  const bits = (red > half ? 1 : 0) | (green > half ? 2 : 0) | (blue > half ? 4 : 0);
  return most > 200 ? bits + 8 : bits;
}

const withFg = (look: Look, colour: number): Look => (look & ~FG) | (colour + 1);
const withBg = (look: Look, colour: number): Look => (look & ~BG) | ((colour + 1) << BG_SHIFT);

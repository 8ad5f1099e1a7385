// A program's output as rows. Tens of megabytes stay cheap: the text is kept in large pieces, a row is
// four numbers, and nothing here knows of the DOM.
//
// Rows stand in the order in which output came. Where two streams share a line, each gets a row.
import { advance, wholeUntil, type Look } from "./ansi";
import { Grown } from "./grown";

export type LogStream = "stdout" | "stderr" | "stdin";
const STREAMS: readonly LogStream[] = ["stdout", "stderr", "stdin"];
const HEADING = STREAMS.length;

/** Whose output: a step, and which case. */
export interface Section {
  step: string;
  case: number | null;
}

export interface Row {
  /** `null`: the heading of a section. */
  stream: LogStream | null;
  section: Section | null;
  text: string;
  look: Look;
  /** It goes on with a line that was too long for one row. */
  continued: boolean;
}

export type Filter = "all" | "stdout" | "stderr";

/** Longest row, in UTF-16 units: a line without end would be one element without end. */
export const ROW_CHARS_MAX = 1000;
/** What one log keeps, in UTF-16 units; what comes after is counted only. */
export const LOG_CHARS_MAX = 48 * 1024 * 1024;
const PIECE_CHARS = 64 * 1024;

export class Log {
  #pieces: string[] = [];
  #pieceStarts: number[] = [];
  #length = 0;
  #starts = new Grown(Uint32Array);
  #streams = new Grown(Uint8Array);
  #looks = new Grown(Uint16Array);
  #continued = new Grown(Uint8Array);
  #rowsOf = { stdout: new Grown(Uint32Array), stderr: new Grown(Uint32Array) };
  #sections = new Map<number, Section>();
  #section: Section | null = null;
  #open = false;
  #look: Record<LogStream, Look> = { stdout: 0, stderr: 0, stdin: 0 };
  #held: Record<LogStream, string> = { stdout: "", stderr: "", stdin: "" };
  /** UTF-16 units that were not kept. */
  dropped = 0;

  /** Rows under a filter. */
  count(filter: Filter = "all"): number {
    return filter === "all" ? this.#starts.length : this.#rowsOf[filter].length;
  }

  /** The row at a place under a filter. */
  row(place: number, filter: Filter = "all"): Row {
    const index = filter === "all" ? place : this.#rowsOf[filter].at(place);
    const kind = this.#streams.at(index);
    const end = index + 1 < this.#starts.length ? this.#starts.at(index + 1) : this.#length;
    return {
      stream: STREAMS[kind] ?? null,
      section: kind === HEADING ? (this.#sections.get(index) ?? null) : null,
      text: shown(this.#slice(this.#starts.at(index), end)),
      look: this.#looks.at(index),
      continued: this.#continued.at(index) === 1,
    };
  }

  append(section: Section, stream: LogStream, text: string): void {
    if (this.#section?.step !== section.step || this.#section.case !== section.case) this.#begin(section);
    if (this.#length + text.length > LOG_CHARS_MAX) {
      this.dropped += text.length;
      return;
    }
    const whole = this.#held[stream] + text;
    const until = stream === "stdin" ? whole.length : wholeUntil(whole);
    this.#held[stream] = whole.slice(until);
    this.#add(stream, whole.slice(0, until));
  }

  clear(): void {
    this.#pieces = [];
    this.#pieceStarts = [];
    this.#length = 0;
    this.#starts = new Grown(Uint32Array);
    this.#streams = new Grown(Uint8Array);
    this.#looks = new Grown(Uint16Array);
    this.#continued = new Grown(Uint8Array);
    this.#rowsOf = { stdout: new Grown(Uint32Array), stderr: new Grown(Uint32Array) };
    this.#sections = new Map();
    this.#section = null;
    this.#open = false;
    this.#look = { stdout: 0, stderr: 0, stdin: 0 };
    this.#held = { stdout: "", stderr: "", stdin: "" };
    this.dropped = 0;
  }

  /** All that came on some streams, as it came. */
  text(streams: readonly LogStream[] = ["stdout", "stderr"]): string {
    const parts: string[] = [];
    for (let index = 0; index < this.#starts.length; index += 1) {
      const stream = STREAMS[this.#streams.at(index)];
      if (!stream || !streams.includes(stream)) continue;
      const end = index + 1 < this.#starts.length ? this.#starts.at(index + 1) : this.#length;
      parts.push(this.#slice(this.#starts.at(index), end));
    }
    return parts.join("");
  }

  #begin(section: Section): void {
    const first = this.#section === null;
    this.#section = section;
    this.#open = false;
    this.#look = { stdout: 0, stderr: 0, stdin: 0 };
    this.#held = { stdout: "", stderr: "", stdin: "" };
    if (first && section.step === "run") return;
    this.#sections.set(this.#starts.length, section);
    this.#pushRow(HEADING, 0, false);
    this.#open = false;
  }

  #add(stream: LogStream, text: string): void {
    const kind = STREAMS.indexOf(stream);
    const base = this.#length;
    this.#store(text);
    let at = 0;
    while (at < text.length) {
      const isNew = !this.#open || this.#streams.last() !== kind;
      if (isNew) this.#pushRow(kind, base + at, false);
      at = this.#fill(stream, text, at, base);
    }
  }

  /** Lengthens the last row by what belongs to it; gives where the next begins. */
  #fill(stream: LogStream, text: string, at: number, base: number): number {
    const room = ROW_CHARS_MAX - (base + at - this.#starts.last());
    // Not further than the row may reach: a search to the next line end would be quadratic.
    const piece = text.slice(at, at + room + 1);
    const newline = piece.indexOf("\n");
    this.#open = newline < 0;
    if (newline >= 0 || piece.length <= room) {
      const end = newline < 0 ? text.length : at + newline + 1;
      this.#look[stream] = advance(text.slice(at, end), this.#look[stream]);
      return end;
    }
    const cut = cutAt(text, at, at + Math.max(room, 1));
    this.#look[stream] = advance(text.slice(at, cut), this.#look[stream]);
    this.#open = true;
    this.#pushRow(STREAMS.indexOf(stream), base + cut, true);
    return cut;
  }

  #pushRow(kind: number, start: number, continued: boolean): void {
    const index = this.#starts.length;
    const stream = STREAMS[kind];
    this.#starts.push(kind === HEADING ? this.#length : start);
    this.#streams.push(kind);
    this.#looks.push(stream ? this.#look[stream] : 0);
    this.#continued.push(continued ? 1 : 0);
    if (stream === "stdout" || stream === "stderr") this.#rowsOf[stream].push(index);
  }

  #store(text: string): void {
    const last = this.#pieces.length - 1;
    if (last >= 0 && (this.#pieces[last]?.length ?? 0) < PIECE_CHARS) {
      this.#pieces[last] += text;
    } else if (text !== "") {
      this.#pieces.push(text);
      this.#pieceStarts.push(this.#length);
    }
    this.#length += text.length;
  }

  #slice(start: number, end: number): string {
    let low = 0;
    let high = this.#pieceStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieceStarts[middle] ?? 0) <= start) low = middle;
      else high = middle - 1;
    }
    let found = "";
    for (let piece = low; start + found.length < end && piece < this.#pieces.length; piece += 1) {
      const from = start + found.length - (this.#pieceStarts[piece] ?? 0);
      found += (this.#pieces[piece] ?? "").slice(from, from + end - start - found.length);
    }
    return found;
  }
}

/** Without its end, and only what stands after the last return of the carriage. */
function shown(text: string): string {
  const line = text.replace(/\r?\n$/, "");
  const back = line.lastIndexOf("\r", line.length - 2);
  return (back < 0 ? line : line.slice(back + 1)).replace(/\r$/, "");
}

/** A cut at most at `cut` that parts neither an escape nor a pair of surrogates. */
function cutAt(text: string, start: number, cut: number): number {
  const escape = wholeUntil(text.slice(start, cut)) + start;
  if (escape > start && escape < cut) return escape;
  const code = text.charCodeAt(cut - 1);
  return code >= 0xd800 && code < 0xdc00 && cut - 1 > start ? cut - 1 : cut;
}

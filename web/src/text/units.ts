// Durations, sizes and shares as people read them, in the language's own digits and units.
import type { Spoken } from "./plural";

export interface UnitNames {
  ms: string;
  s: string;
  min: string;
  h: string;
  d: string;
  /** From bytes up, each 1,024 times the one before. */
  bytes: readonly [string, string, string, string];
}

/** `12 ms`, `1.24 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(ms: number, names: UnitNames, { number }: Spoken): string {
  if (ms < 1000) return `${number(Math.round(ms))} ${names.ms}`;
  if (ms < 9_995) return `${number(ms / 1000, 2)} ${names.s}`;
  if (ms < 59_950) return `${number(ms / 1000, 1)} ${names.s}`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return pair(seconds, 60, names.min, names.s, number);
  if (seconds < 86_400) return pair(Math.round(seconds / 60), 60, names.h, names.min, number);
  return pair(Math.round(seconds / 3600), 24, names.d, names.h, number);
}

function pair(value: number, per: number, large: string, small: string, number: Spoken["number"]): string {
  const rest = value % per;
  const head = `${number(Math.floor(value / per))} ${large}`;
  return rest === 0 ? head : `${head} ${number(rest)} ${small}`;
}

/** `512 B`, `3.4 MiB`. */
export function size(bytes: number, names: UnitNames, { number }: Spoken): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < names.bytes.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${number(value, unit === 0 || value >= 99.5 ? 0 : 1)} ${names.bytes[unit] ?? ""}`;
}

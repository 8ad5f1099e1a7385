// Which rows of a long list are on the screen. Browsers cannot scroll further than some 33 million
// pixels: a longer list is shrunk, so that one pixel of the bar is several rows.

/** Highest element that we make, in pixels. */
export const HEIGHT_PX_MAX = 8_000_000;
const OVERSCAN = 8;

export interface Visible {
  first: number;
  /** After the last. */
  end: number;
  /** Where the first row stands, from the top of the list, in pixels. */
  top: number;
}

/** Height of the element that is scrolled, in pixels. */
export function heightOf(count: number, rowPx: number): number {
  return Math.min(count * rowPx, HEIGHT_PX_MAX);
}

/** The rows that are seen at a scroll offset. */
export function visibleRows(count: number, rowPx: number, scrollTop: number, viewPx: number): Visible {
  const full = count * rowPx;
  const height = heightOf(count, rowPx);
  const top = Math.max(0, Math.min(scrollTop, height - viewPx));
  // From the top of the shrunk list to that of the full one: both ends meet both ends.
  const offset = full > height && height > viewPx ? (top / (height - viewPx)) * (full - viewPx) : top;
  const first = Math.max(0, Math.floor(offset / rowPx) - OVERSCAN);
  const end = Math.min(count, Math.ceil((offset + viewPx) / rowPx) + OVERSCAN);
  return { first, end, top: top + first * rowPx - offset };
}

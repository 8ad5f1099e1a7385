/** Which rows of a long list are in the document: those that are seen and a few around them. */

export interface Window {
  /** Index of the first row. */
  first: number;
  /** Index after the last row. */
  end: number;
  /** Height in pixels of what is left out above and below. */
  above: number;
  below: number;
}

/** Rows kept beyond each edge, so that a quick scroll shows no hole. */
export const AROUND = 12;

/**
 * The rows of `count`, each `row` pixels high, that a view of `height` pixels shows at `top`.
 * A view that is not laid out yet (height 0) gets the first few.
 */
export function rowsInView(top: number, height: number, row: number, count: number): Window {
  const seen = Math.ceil(Math.max(0, height) / row) + 1;
  const highest = Math.max(0, count - seen);
  const at = Math.min(Math.max(0, Math.floor(top / row)), highest);
  const first = Math.max(0, at - AROUND);
  const end = Math.min(count, at + seen + AROUND);
  return { first, end, above: first * row, below: (count - end) * row };
}

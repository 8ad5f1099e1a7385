// What was expected against what came, line by line (Myers, 1986), bounded: outputs are a program's.

export type Change = "same" | "missing" | "extra";

export interface DiffLine {
  change: Change;
  text: string;
  /** Number in what was expected; 0 where it is not there. */
  expected: number;
  /** Number in what came; 0 where it is not there. */
  got: number;
}

/** Lines of each side that are compared. */
export const DIFF_LINES_MAX = 5000;
/** Differing lines, beyond which the rest is shown as one block of each side. */
const EDITS_MAX = 400;

export interface Diff {
  lines: DiffLine[];
  /** One of both has more lines than are compared. */
  cut: boolean;
}

export function diff(expected: string, got: string): Diff {
  const left = linesOf(expected);
  const right = linesOf(got);
  const cut = left.length > DIFF_LINES_MAX || right.length > DIFF_LINES_MAX;
  const a = left.slice(0, DIFF_LINES_MAX);
  const b = right.slice(0, DIFF_LINES_MAX);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const middleA = a.slice(head, a.length - tail);
  const middleB = b.slice(head, b.length - tail);
  const changes = [
    ...new Array<Change>(head).fill("same"),
    ...(edits(middleA, middleB) ?? [...middleA.map(() => "missing" as const), ...middleB.map(() => "extra" as const)]),
    ...new Array<Change>(tail).fill("same"),
  ];
  return { lines: numbered(changes, a, b), cut };
}

/** Without the end of the last line, which is no line of its own. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  return text.replace(/\n$/, "").split("\n");
}

function numbered(changes: readonly Change[], a: readonly string[], b: readonly string[]): DiffLine[] {
  let x = 0;
  let y = 0;
  return changes.map((change) => {
    const text = (change === "extra" ? b[y] : a[x]) ?? "";
    if (change !== "extra") x += 1;
    if (change !== "missing") y += 1;
    return { change, text, expected: change === "extra" ? 0 : x, got: change === "missing" ? 0 : y };
  });
}

/** The shortest way from one to the other; `null` where it is longer than the bound. */
function edits(a: readonly string[], b: readonly string[]): Change[] | null {
  const furthest = new Map<number, number>([[1, 0]]);
  const trail: Map<number, number>[] = [];
  for (let depth = 0; depth <= Math.min(a.length + b.length, EDITS_MAX); depth += 1) {
    trail.push(new Map(furthest));
    for (let k = -depth; k <= depth; k += 2) {
      let x = comesDown(furthest, k, depth) ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      furthest.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trail, a.length, b.length);
    }
  }
  return null;
}

function comesDown(furthest: Map<number, number>, k: number, depth: number): boolean {
  return k === -depth || (k !== depth && (furthest.get(k - 1) ?? 0) < (furthest.get(k + 1) ?? 0));
}

function walkBack(trail: readonly Map<number, number>[], x: number, y: number): Change[] {
  const changes: Change[] = [];
  for (let depth = trail.length - 1; depth >= 0; depth -= 1) {
    const furthest = trail[depth] ?? new Map<number, number>();
    const k = x - y;
    const before = comesDown(furthest, k, depth) ? k + 1 : k - 1;
    const fromX = furthest.get(before) ?? 0;
    const fromY = fromX - before;
    while (x > Math.max(fromX, 0) && y > Math.max(fromY, 0)) {
      changes.push("same");
      x -= 1;
      y -= 1;
    }
    if (depth > 0) changes.push(x === fromX ? "extra" : "missing");
    x = fromX;
    y = fromY;
  }
  return changes.reverse();
}

// Places in sources that compilers and runtimes name: `main.c:3:7`, `main.ts(1,7)`, `File "main.py", line 2`.

export interface Place {
  path: string;
  /** From 1. */
  line: number;
  /** From 1; 0 where it was not named. */
  column: number;
}

export interface Named extends Place {
  /** Where it stands in the line of output. */
  start: number;
  end: number;
}

const PLACE = /(?:File "([^"\n]+)", line (\d+)|([^\s:"'()[\]<>,]+?)(?::(\d+)(?::(\d+))?|\((\d+),(\d+)\)))/g;
const LINE_CHARS_MAX = 500;

/** The places that a line of output names, of files that we have. */
export function placesIn(line: string, paths: readonly string[]): Named[] {
  if (paths.length === 0 || !/\d/.test(line)) return [];
  const found: Named[] = [];
  for (const match of line.slice(0, LINE_CHARS_MAX).matchAll(PLACE)) {
    const path = known(match[1] ?? match[3] ?? "", paths);
    const number = Number(match[2] ?? match[4] ?? match[6]);
    if (path === null || number < 1) continue;
    const column = Number(match[5] ?? match[7] ?? 0);
    found.push({ path, line: number, column, start: match.index, end: match.index + match[0].length });
  }
  return found;
}

/** Programs name files as they were given, from the job's directory, or from the root. */
function known(path: string, paths: readonly string[]): string | null {
  const plain = path.replace(/^\.\//, "").replace(/^file:\/\//, "").replace(/^\/job\//, "");
  return paths.find((one) => one === plain) ?? null;
}

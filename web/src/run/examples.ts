// Programs to begin with: one file of data for each language in `web/examples`, loaded when it is wanted.
import { emptyProgram, type Program } from "./program";

export const EXAMPLES = ["hello", "echo", "files", "graph", "ask"] as const;
export type ExampleName = (typeof EXAMPLES)[number];

export interface Example {
  id: ExampleName;
  files: { path: string; content: string }[];
  stdin?: string;
  cases?: { name: string; stdin: string; expected_stdout: string }[];
  /** It asks while it runs. */
  attach?: boolean;
}

const all = import.meta.glob<Example[]>("../../examples/*.json", { import: "default" });

/** Those of a language; none where nobody wrote any. */
export async function examplesOf(language: string): Promise<Example[]> {
  return (await all[`../../examples/${language}.json`]?.()) ?? [];
}

export function programOfExample(language: string, example: Example): Program {
  return {
    ...emptyProgram(language, ""),
    files: example.files.map(({ path, content }) => ({ path, text: content })),
    stdin: example.stdin ?? "",
    cases: (example.cases ?? []).map(({ name, stdin, expected_stdout }) => ({ name, stdin, expected: expected_stdout })),
    input: example.attach ? "live" : example.cases ? "cases" : "text",
  };
}

// The program that is being written. Kept in this browser as it is typed, so that a reload loses nothing.
import type { Language } from "../api/types";
import { kept } from "../app/kept";
import { programOfExample, type Example } from "./examples";
import { remember } from "./history";
import { emptyProgram, freshPath, isPath, parseProgram, type Program, type ProgramFile } from "./program";

/** What is larger is not kept: browsers give some 5 million letters to a site. */
const KEPT_CHARS_MAX = 1_500_000;
const KEEP_AFTER_MS = 300;

const store = kept<Program | null>("draft", parseProgram);

/** What became of the program before: in the history; not worth that; or still there, for it could not be kept. */
export type Replaced = "saved" | "dropped" | "refused";

export class Draft {
  program = $state<Program>(emptyProgram("python", "main.py"));
  /** The file that the editor shows. */
  active = $state(0);
  /** Whether it was written in, since it was loaded. */
  changed = $state(false);
  /** The files as they were last downloaded. */
  #downloaded = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Whether there was one. */
  restore(): boolean {
    const program = store.read();
    if (!program) return false;
    this.program = program;
    // What somebody left here is not to be lost to an example.
    this.changed = true;
    return true;
  }

  /** Keeps it, a moment after the last change. */
  keepSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.keep(), KEEP_AFTER_MS);
  }

  keep(): void {
    clearTimeout(this.#timer);
    const program = $state.snapshot(this.program);
    if (JSON.stringify(program).length <= KEPT_CHARS_MAX) store.write(program);
  }

  /** Takes another program. What was written before goes to the history; where there is no room for it, it stays until it is downloaded. */
  replace(program: Program): Replaced {
    const isWork = this.changed && this.program.files.some((file) => file.text.trim() !== "");
    const saved = isWork && remember({ id: "", at: Date.now(), outcome: null, program: $state.snapshot(this.program) });
    if (isWork && !saved && JSON.stringify(this.program.files) !== this.#downloaded) return "refused";
    this.program = program;
    this.active = 0;
    this.changed = false;
    this.keep();
    return saved ? "saved" : "dropped";
  }

  /** All of its files were downloaded, as they were then. */
  downloaded(files: readonly ProgramFile[]): void {
    this.#downloaded = JSON.stringify(files);
  }

  /** Takes an example; input of the language before has no meaning for it. */
  load(language: string, example: Example): Replaced {
    return this.replace(programOfExample(language, example));
  }

  get file(): ProgramFile | undefined {
    return this.program.files[this.active];
  }

  get paths(): string[] {
    return this.program.files.map((file) => file.path);
  }

  write(text: string): void {
    const file = this.file;
    if (!file || file.text === text) return;
    file.text = text;
    this.changed = true;
  }

  add(language: Language | undefined): void {
    const end = language?.extensions[0];
    const path = freshPath(this.paths, end ? `file.${end}` : "file");
    this.program.files.push({ path, text: "" });
    this.active = this.program.files.length - 1;
  }

  /** Takes a file from outside; one of the same name is replaced. */
  put(file: ProgramFile): void {
    const at = this.paths.indexOf(file.path);
    if (at >= 0) this.program.files[at] = file;
    else this.program.files.push(file);
    this.active = at >= 0 ? at : this.program.files.length - 1;
    this.changed = true;
  }

  /** Removes a file, but not the last; gives it, and a way to have it back. */
  remove(at: number): { file: ProgramFile; undo: () => void } | null {
    if (this.program.files.length < 2) return null;
    const [file] = this.program.files.splice(at, 1);
    if (!file) return null;
    const plain = $state.snapshot(file);
    if (this.active >= at && this.active > 0) this.active -= 1;
    this.changed = true;
    return { file: plain, undo: () => void this.program.files.splice(at, 0, plain) };
  }

  /** What is wrong with a new name; `null` where it is taken. */
  rename(at: number, path: string): "badPath" | "taken" | null {
    if (!isPath(path)) return "badPath";
    if (this.paths.some((other, index) => index !== at && other === path)) return "taken";
    const file = this.program.files[at];
    if (file) file.path = path;
    this.changed = true;
    return null;
  }
}

import { spoken } from "./plural";
import { duration, size, type UnitNames } from "./units";

const say = spoken("en");
const units: UnitNames = { ms: "ms", s: "s", min: "min", h: "h", d: "d", bytes: ["B", "KiB", "MiB", "GiB"] };

export const en = {
  say,
  units,
  duration: (ms: number) => duration(ms, units, say),
  size: (bytes: number) => size(bytes, units, say),
  app: {
    skip: "Skip to content",
    pages: { run: "Run", jobs: "Jobs", cluster: "Cluster", keys: "Keys" },
    navigation: "Pages",
    language: "Language of this page",
    theme: { label: "Theme", auto: "As the system", light: "Light", dark: "Dark" },
    help: "Keyboard",
    close: "Close",
    cancel: "Cancel",
    retry: "Try again",
    copy: "Copy",
    copied: "Copied",
    notCopied: "The browser did not allow copying",
    notes: "Notes",
    stale: "Not live: what you see may be old. The page tries to reach the server.",
    unreachable: "The server does not answer.",
    loading: "Loading",
    failed: "This page could not be loaded.",
    signIn: "Sign in",
    signInNeeded: "This server asks for an API key.",
  },
  /** Sentences for refusals whose words the server's `detail` alone would not explain. */
  problems: {
    unreachable: "The server does not answer. Your work is kept here; try again.",
    unauthorized: "This needs an API key: sign in first.",
  } as Record<string, string>,
  outcomes: {
    ok: "Finished",
    runtime_error: "Runtime error",
    compile_error: "Compile error",
    time_limit: "Time limit",
    memory_limit: "Memory limit",
    output_limit: "Output limit",
    process_limit: "Process limit",
    file_limit: "File limit",
    cancelled: "Cancelled",
    internal_error: "Internal error",
    accepted: "Accepted",
    wrong_answer: "Wrong answer",
    checker_error: "Checker error",
    skipped: "Skipped",
  },
  states: { queued: "Queued", running: "Running", finished: "Finished" },
  steps: {
    image: "Preparing the image",
    install: "Installing packages",
    compile: "Compiling",
    judge_compile: "Compiling the checker",
    run: "Running",
    case: "Running cases",
  },
  keyboard: {
    title: "Keyboard",
    anywhere: "Anywhere",
    pages: "Go to Run, Jobs, Cluster, Keys",
    help: "This list",
    close: "Close what is open",
  },
};

type Widened<T> = T extends string
  ? string
  : T extends (...args: infer A) => infer R
    ? (...args: A) => R
    : { [K in keyof T]: Widened<T[K]> };

/** What a language says. */
export type Text = Widened<typeof en>;

// Files between this machine and the page.
import { toast } from "../app/toasts.svelte";
import { t } from "../text/text.svelte";
import { bytesOf } from "./archive";
import { asText, toBase64 } from "./bytes";
import type { Draft } from "./draft.svelte";
import type { ProgramFile } from "./program";

/** A file that is taken from outside, in bytes; the server takes 32 MiB in a submission. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;
const FILES_MAX = 100;
/** Until the browser has begun the download, in ms; it keeps the bytes itself from then on. */
const REVOKE_AFTER_MS = 30_000;

/** Takes files into the draft. */
export async function readFiles(files: Iterable<File>, draft: Draft): Promise<void> {
  for (const file of [...files].slice(0, FILES_MAX)) {
    if (file.size > FILE_BYTES_MAX) {
      toast(t().run.files.tooLarge(file.name, t().size(FILE_BYTES_MAX)), "bad");
      continue;
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    const text = asText(bytes);
    draft.put(text === null ? { path: file.name, text: "", bytes: toBase64(bytes) } : { path: file.name, text });
  }
}

/** Offers bytes as a download. */
export function save(content: Uint8Array<ArrayBuffer> | string, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_AFTER_MS);
}

export function saveFile(file: ProgramFile): void {
  save(bytesOf(file), file.path.replace(/^.*\//, ""));
}

/** Copies, and says so. */
export async function copy(text: string, said: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    toast(said, "good");
    return true;
  } catch {
    return false;
  }
}

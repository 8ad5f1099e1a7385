import { toast } from "../app/toasts.svelte";
import { t } from "../text/text.svelte";

/** Puts a text into the clipboard, and says whether the browser did so. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(t().app.copied, "good");
  } catch {
    toast(t().app.notCopied, "bad");
  }
}

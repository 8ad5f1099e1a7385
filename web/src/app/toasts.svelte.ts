// Short notes at the edge of the page, read aloud by screen readers. A note of trouble stays until
// it is closed; others go by themselves.

export type ToastKind = "info" | "good" | "bad";

export interface Toast {
  id: number;
  kind: ToastKind;
  text: string;
  /** Something that can be done about it. */
  action?: ToastAction | undefined;
}

export interface ToastAction {
  label: string;
  run: () => void;
}

const TOASTS_MAX = 4;
const SHOWN_MS = 5000;

let notes = $state<Toast[]>([]);
let last = 0;

export function toasts(): readonly Toast[] {
  return notes;
}

export function toast(text: string, kind: ToastKind = "info", action?: ToastAction): void {
  const id = ++last;
  // Said twice, it is still one note.
  notes = [...notes.filter((note) => note.text !== text), { id, kind, text, action }].slice(-TOASTS_MAX);
  if (kind !== "bad") setTimeout(() => closeToast(id), SHOWN_MS);
}

export function closeToast(id: number): void {
  notes = notes.filter((note) => note.id !== id);
}

// Light, dark, or as the system has it; the choice is kept in this browser.
import { kept } from "./kept";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const store = kept<Theme>("theme", (value) => THEMES.find((theme) => theme === value) ?? "auto");
let chosen = $state<Theme>("auto");

export function theme(): Theme {
  return chosen;
}

/** Takes a theme, shows it, and keeps it. */
export function chooseTheme(next: Theme): void {
  chosen = next;
  store.write(next);
  if (next === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = next;
}

export function beginTheme(): void {
  chooseTheme(store.read());
}

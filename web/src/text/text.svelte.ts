// The texts of the page. A language is one file with the shape of `en.ts`; see docs/page.md.
import { kept } from "../app/kept";
import { en, type Text } from "./en";

export type { Text };

/** Languages of the interface, each under its own name. */
export const LANGUAGES = { en: "English", fr: "Français" } as const;
export type LanguageCode = keyof typeof LANGUAGES;

const tables: Record<LanguageCode, () => Promise<Text>> = {
  en: async () => en,
  fr: async () => (await import("./fr")).fr,
};

const known = (value: unknown): LanguageCode | null =>
  typeof value === "string" && Object.hasOwn(LANGUAGES, value) ? (value as LanguageCode) : null;
const store = kept<LanguageCode | null>("language", known);

let code = $state<LanguageCode>("en");
let table = $state.raw<Text>(en);

/** The texts in the chosen language: `t().run.start`. */
export function t(): Text {
  return table;
}

export function language(): LanguageCode {
  return code;
}

/** The first of the browser's languages that we have. */
export function preferred(wanted: readonly string[]): LanguageCode {
  for (const tag of wanted) {
    const found = known(tag.split("-")[0]?.toLowerCase());
    if (found) return found;
  }
  return "en";
}

export async function chooseLanguage(next: LanguageCode): Promise<void> {
  await show(next);
  store.write(next);
}

export async function beginText(): Promise<void> {
  await show(store.read() ?? preferred(navigator.languages));
}

async function show(next: LanguageCode): Promise<void> {
  table = await tables[next]();
  code = next;
  document.documentElement.lang = next;
}

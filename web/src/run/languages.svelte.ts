// The languages of the server, asked for once.
import { json } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import type { Language } from "../api/types";

let list = $state.raw<readonly Language[]>([]);
let trouble = $state.raw<Problem | null>(null);

/** Sorted by name; empty until they are known. */
export function languages(): readonly Language[] {
  return list;
}

export function languagesProblem(): Problem | null {
  return trouble;
}

export async function loadLanguages(): Promise<void> {
  try {
    const { languages } = await json<{ languages: Language[] }>("/v1/languages");
    list = languages.sort((a, b) => a.name.localeCompare(b.name));
    trouble = null;
  } catch (error) {
    trouble = asProblem(error);
  }
}

/** Those whose name, id, alias or extension begins with the text, before those that hold it. */
export function search(all: readonly Language[], text: string): Language[] {
  const wanted = text.trim().toLowerCase();
  const rank = (language: Language): number => {
    const names = [language.id, language.name, ...language.aliases, ...language.extensions].map((name) => name.toLowerCase());
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    return [...names, language.version.toLowerCase()].some((name) => name.includes(wanted)) ? 2 : 3;
  };
  const ranked = all.map((language) => ({ language, rank: rank(language) }));
  return ranked.filter(({ rank }) => rank < 3).sort((a, b) => a.rank - b.rank).map(({ language }) => language);
}

// A tenant's settings as texts of a form, and back. What stays as it is is not sent.

const AMOUNTS = ["requests_per_second", "running_jobs", "queued_jobs", "cpu_seconds_per_day", "blob_bytes", "weight"] as const;
const CHOICES = {
  isolation: ["runc", "userns", "gvisor"],
  dependencies: ["true", "false"],
  priority_max: ["low", "normal", "high"],
} as const;
const WORDS = ["default", "unlimited"];

export const SETTINGS = [
  "running_jobs",
  "queued_jobs",
  "requests_per_second",
  "cpu_seconds_per_day",
  "blob_bytes",
  "weight",
  "priority_max",
  "isolation",
  "languages",
  "dependencies",
] as const;
export type SettingName = (typeof SETTINGS)[number];
export type Texts = Record<SettingName, string>;

/** Why a text is no setting. */
export type Wrong = { kind: "number" } | { kind: "one_of"; choices: readonly string[] };

/** The texts of a form for what the API tells; a setting that it does not tell is the default. */
export function texts(settings: Readonly<Record<string, unknown>>): Texts {
  const text = (value: unknown): string => (value === undefined ? "default" : Array.isArray(value) ? value.join(", ") : String(value));
  return Object.fromEntries(SETTINGS.map((name) => [name, text(settings[name])])) as Texts;
}

/** Which texts are wrong, as far as the page can tell; the server has the last word. */
export function wrong(form: Texts): Partial<Record<SettingName, Wrong>> {
  const found: Partial<Record<SettingName, Wrong>> = {};
  for (const name of SETTINGS) {
    const text = form[name].trim();
    if (WORDS.includes(text)) continue;
    const choices = choicesOf(name);
    if (choices !== null && !choices.includes(text)) found[name] = { kind: "one_of", choices: [...choices, ...WORDS] };
    if (isAmount(name) && !/^[1-9]\d{0,15}$/.test(text)) found[name] = { kind: "number" };
    if (name === "languages" && ids(text).length === 0) found[name] = { kind: "one_of", choices: ["c, python", ...WORDS] };
  }
  return found;
}

/** What to send so that a tenant has the texts of `form` where it has those of `before`. */
export function changes(before: Texts, form: Texts): Record<string, unknown> {
  const changed = SETTINGS.filter((name) => form[name].trim() !== before[name].trim());
  return Object.fromEntries(changed.map((name) => [name, value(name, form[name].trim())]));
}

function value(name: SettingName, text: string): unknown {
  if (WORDS.includes(text)) return text;
  if (isAmount(name)) return Number(text);
  if (name === "languages") return ids(text);
  return name === "dependencies" ? text === "true" : text;
}

function choicesOf(name: SettingName): readonly string[] | null {
  return Object.hasOwn(CHOICES, name) ? CHOICES[name as keyof typeof CHOICES] : null;
}

function isAmount(name: SettingName): boolean {
  return (AMOUNTS as readonly string[]).includes(name);
}

function ids(text: string): string[] {
  return text.split(/[\s,]+/).filter((id) => id !== "");
}

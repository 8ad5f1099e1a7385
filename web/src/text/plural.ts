// Numbers and plurals of one language, by the browser's own tables.

export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

export interface Spoken {
  /** `many(3, { one: "# job", other: "# jobs" })`: `#` becomes the number. */
  many(count: number, forms: Forms): string;
  number(value: number, digits?: number): string;
}

export function spoken(tag: string): Spoken {
  const rules = new Intl.PluralRules(tag);
  const whole = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 });
  const number = (value: number, digits = 0): string =>
    digits === 0 ? whole.format(value) : new Intl.NumberFormat(tag, { maximumFractionDigits: digits }).format(value);
  return {
    number,
    many: (count, forms) => (forms[rules.select(count)] ?? forms.other).replace("#", number(count)),
  };
}

// What this browser keeps between visits. A browser may refuse (private windows, a full store, a
// policy): then the page works as if nothing had been kept.

const PREFIX = "enclos.";

export interface Kept<T> {
  /** What was kept, or what `parse` makes of nothing. */
  read(): T;
  /** Whether it could be kept. */
  write(value: T): boolean;
  clear(): void;
}

/** A value under one name. `parse` gets whatever stands there, which may be an older version's. */
export function kept<T>(name: string, parse: (value: unknown) => T, area: () => Storage = () => localStorage): Kept<T> {
  const key = PREFIX + name;
  return {
    read() {
      try {
        const text = area().getItem(key);
        return parse(text === null ? undefined : JSON.parse(text));
      } catch {
        return parse(undefined);
      }
    },
    write(value) {
      try {
        area().setItem(key, JSON.stringify(value));
        return true;
      } catch {
        return false;
      }
    },
    clear() {
      try {
        area().removeItem(key);
      } catch {
        // Nothing was kept, then.
      }
    },
  };
}

// Points in time as people read them: the time of day, and the day where it is not today.

/** `14:03:07`, or with its day where that is not the day of `now`. */
export function when(at: string, language: string, now: Date = new Date()): string {
  const date = new Date(at);
  const today = date.toDateString() === now.toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
  if (today) return date.toLocaleTimeString(language, time);
  return date.toLocaleString(language, { day: "numeric", month: "short", ...time });
}

/** The whole of it: the day, the time, and its zone. */
export function exactly(at: string, language: string): string {
  return new Date(at).toLocaleString(language, {
    dateStyle: "long",
    timeStyle: "long",
  });
}

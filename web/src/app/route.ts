export const PAGES = ["run", "jobs", "cluster", "keys"] as const;
export type PageName = (typeof PAGES)[number];

export interface Route {
  page: PageName;
  /** What follows the page's name: a job's id, an agent's name. */
  id: string | null;
  query: URLSearchParams;
}

/** Reads a fragment; what is unknown leads to Run. */
export function parseRoute(fragment: string): Route {
  const [path = "", query = ""] = split(fragment.replace(/^#\/?/, ""), "?");
  const [name = "", id = ""] = split(path, "/");
  const page = PAGES.find((page) => page === name) ?? "run";
  return { page, id: id === "" ? null : decoded(id), query: new URLSearchParams(query) };
}

function split(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The filters stand in the fragment, so that a list can be bookmarked and come back to.
import { NO_FILTERS, type Filters } from "./list";

const STATES = ["queued", "running", "finished"] as const;

export function fromQuery(query: URLSearchParams): Filters {
  return {
    state: STATES.find((state) => state === query.get("state")) ?? "",
    language: query.get("language") ?? "",
    label: query.get("label") ?? "",
    id: query.get("id") ?? "",
  };
}

/** `#/jobs?state=running`, of filters that ask for anything. */
export function toFragment(filters: Filters): string {
  const set = (Object.keys(NO_FILTERS) as (keyof Filters)[]).filter((name) => filters[name] !== "");
  const query = new URLSearchParams(set.map((name) => [name, filters[name]])).toString();
  return query === "" ? "#/jobs" : `#/jobs?${query}`;
}

// The client's routes stand in the fragment, which is never sent: `#/run?p=…`, `#/jobs/<id>`.
import { parseRoute, type Route } from "./route";

let current = $state.raw<Route>(parseRoute(globalThis.location?.hash ?? ""));

globalThis.addEventListener?.("hashchange", () => {
  current = parseRoute(location.hash);
});

/** Where we are; follows the fragment. */
export function route(): Route {
  return current;
}

/** Goes to a fragment (`#/jobs/…`), with an entry in the browser's history. */
export function go(fragment: string): void {
  location.hash = fragment;
}

/** Changes the fragment of the page we are on, without an entry in the history. */
export function replaceFragment(fragment: string): void {
  history.replaceState(null, "", fragment);
  current = parseRoute(fragment);
}

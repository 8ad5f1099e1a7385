import { expect, it } from "vitest";
import { fromQuery, toFragment } from "./fragment";
import { NO_FILTERS, type Filters } from "./list";

it("brings filters there and back", () => {
  const filters: Filters = { state: "running", language: "c", label: "a=b&c#d", id: "01" };
  const fragment = toFragment(filters);
  expect(fromQuery(new URLSearchParams(fragment.slice(fragment.indexOf("?"))))).toEqual(filters);
  expect(toFragment(NO_FILTERS)).toBe("#/jobs");
});

it("takes a state that is none for no filter", () => {
  expect(fromQuery(new URLSearchParams("state=<script>"))).toEqual(NO_FILTERS);
});

import { expect, it } from "vitest";

import { parseRoute } from "./route";

it("a fragment names a page, what it is of, and its query", () => {
  expect(parseRoute("#/jobs/01a2")).toMatchObject({ page: "jobs", id: "01a2" });
  expect(parseRoute("#/run?p=a-b_c").query.get("p")).toBe("a-b_c");
  expect(parseRoute("#/cluster/agent%201").id).toBe("agent 1");
});

it("a fragment that names nothing leads to Run", () => {
  for (const fragment of ["", "#", "#/", "#/nowhere", "#//", "#/constructor"]) expect(parseRoute(fragment).page).toBe("run");
  expect(parseRoute("#/jobs/%zz").id).toBe("%zz");
});

import { expect, it } from "vitest";

import { fromField, outside, toField } from "./limits";

it("limits are written in seconds and MiB, with either decimal mark", () => {
  expect(fromField("cpu_ms", "1.5")).toBe(1500);
  expect(fromField("cpu_ms", "1,5")).toBe(1500);
  expect(fromField("memory_bytes", "256")).toBe(268_435_456);
  expect(toField("memory_bytes", 268_435_456)).toBe("256");
  expect(toField("report_bytes", undefined)).toBe("");
  expect(fromField("pids", " ")).toBeNull();
});

it("a limit outside of its bounds is named, as is one that is no number", () => {
  const bounds = { cpu_ms: { default: 10, min: 10, max: 60 }, pids: { default: 1, min: 1, max: 2 } };
  expect(outside({ cpu_ms: 60, pids: 1 }, bounds)).toEqual([]);
  expect(outside({ cpu_ms: 61, pids: Number.NaN }, bounds)).toEqual(["cpu_ms", "pids"]);
});

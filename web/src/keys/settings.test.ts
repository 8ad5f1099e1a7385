import { describe, expect, it } from "vitest";
import { changes, texts, wrong } from "./settings";

const told = { running_jobs: 20, languages: ["c", "python"], cpu_seconds_per_day: "unlimited", dependencies: false };

describe("a tenant's settings", () => {
  it("are shown as they can be typed", () => {
    const form = texts(told);
    expect(form.running_jobs).toBe("20");
    expect(form.languages).toBe("c, python");
    expect(form.dependencies).toBe("false");
    expect(form.weight).toBe("default");
    expect(wrong(form)).toEqual({});
  });

  it("are sent only where they changed, as what they are", () => {
    const before = texts(told);
    const form = { ...before, running_jobs: " 30 ", languages: "c rust", dependencies: "true", weight: "unlimited", isolation: "gvisor" };
    expect(changes(before, form)).toEqual({ running_jobs: 30, languages: ["c", "rust"], dependencies: true, weight: "unlimited", isolation: "gvisor" });
    expect(changes(before, before)).toEqual({});
  });

  it("are told wrong where the server would refuse them", () => {
    const form = { ...texts({}), running_jobs: "0", queued_jobs: "-1", weight: "many", isolation: "none", languages: " , ", dependencies: "yes" };
    expect(Object.keys(wrong(form)).sort()).toEqual(["dependencies", "isolation", "languages", "queued_jobs", "running_jobs", "weight"]);
  });
});

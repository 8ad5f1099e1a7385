import { expect, it } from "vitest";

import { en } from "./en";
import { fr } from "./fr";

it("durations are short, and in the language's own digits", () => {
  const said = (ms: number): string[] => [en.duration(ms), fr.duration(ms)];
  expect(said(7)).toEqual(["7 ms", "7 ms"]);
  expect(said(1240)).toEqual(["1.24 s", "1,24 s"]);
  expect(said(59_999)).toEqual(["1 min", "1 min"]);
  expect(said(3_725_000)).toEqual(["1 h 2 min", "1 h 2 min"]);
  expect(said(90_000_000)).toEqual(["1 d 1 h", "1 j 1 h"]);
});

it("sizes never reach 1,024 of a unit", () => {
  expect(en.size(1023)).toBe("1,023 B");
  expect(en.size(1_048_575)).toBe("1 MiB");
  expect(en.size(3.4 * 1024 * 1024)).toBe("3.4 MiB");
  expect(fr.size(3.4 * 1024 * 1024)).toBe("3,4 Mio");
});

it("plurals are those of the language", () => {
  const forms = { one: "one", other: "#" };
  expect([0, 1, 2].map((count) => en.say.many(count, forms))).toEqual(["0", "one", "2"]);
  expect([0, 1, 2].map((count) => fr.say.many(count, forms))).toEqual(["one", "one", "2"]);
});

import { afterEach, describe, expect, it, vi } from "vitest";

import type { Problem } from "./problem";
import { backoff, watch } from "./sse";
import { EventParser } from "./sse-parse";

describe("an event stream", () => {
  it("is read from pieces of any size", () => {
    const text = ": comment\n\nid: 1\nevent: state\ndata: {\"a\":1}\n\ndata: x\ndata: y\n\n";
    for (const size of [1, 2, 7, text.length]) {
      const parser = new EventParser();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...parser.take(text.slice(at, at + size)));
      expect(events).toEqual([
        { id: "1", event: "state", data: '{"a":1}' },
        { id: "", event: "message", data: "x\ny" },
      ]);
    }
  });
});

describe("a watch", () => {
  afterEach(() => vi.unstubAllGlobals());

  /** Answers one after another, and notes what each was asked to go on after. */
  function server(...answers: (() => Response)[]): (string | null)[] {
    const asked: (string | null)[] = [];
    vi.stubGlobal("fetch", async (_: string, { headers }: RequestInit) => {
      asked.push(new Headers(headers).get("last-event-id"));
      const answer = answers.shift();
      if (!answer) throw new TypeError("the network is gone");
      return answer();
    });
    return asked;
  }

  it("goes on after the last event that it saw, through breaks and a server that is busy", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const busy = (): Response => new Response('{"code":"unavailable","detail":"busy"}', { status: 503, headers: { "retry-after": "0" } });
    const asked = server(() => new Response("id: a\ndata: 1\n\nid: b\ndata: 2\n\n"), busy, () => new Response("id: c\nevent: last\ndata: 3\n\n"));
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      watch("/x", { onEvent: ({ data }) => seen.push(data), isLast: ({ event }) => event === "last", onEnd: resolve });
    });
    expect(seen).toEqual(["1", "2", "3"]);
    expect(asked).toEqual([null, "b", "b"]);
  });

  it("does not come back where it is refused", async () => {
    const asked = server(() => new Response('{"code":"not_found","detail":"no such job"}', { status: 404 }));
    const problem = await new Promise<Problem>((resolve) => watch("/x", { onEvent: () => {}, onRefused: resolve }));
    expect(problem.code).toBe("not_found");
    expect(asked).toHaveLength(1);
  });

  it("ends where the server has no more to tell", async () => {
    server(() => new Response(null, { status: 204 }));
    await new Promise<void>((resolve) => watch("/x", { onEvent: () => {}, onEnd: resolve }));
  });

  it("waits longer each time, but not for ever", () => {
    expect([1, 2, 3, 50].map((tries) => backoff(tries, () => 1))).toEqual([250, 500, 1000, 8000]);
    expect(backoff(50, () => 0)).toBe(4000);
  });
});

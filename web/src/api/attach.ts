// A conversation with a running program: `GET /v1/jobs/{id}/attach`, resumed where it broke.
import { Problem } from "./problem";
import { backoff, pause, type StreamState } from "./sse";

export interface Frame {
  type: string;
  cursor?: string | null;
  data: unknown;
}

export interface Heard {
  onFrame(frame: Frame): void;
  onState?(state: StreamState): void;
  /** The job has ended and all was told. */
  onEnd?(): void;
  onRefused?(problem: Problem): void;
}

export type Signal = "INT" | "TERM" | "KILL";

export interface Conversation {
  /** Whether it could be sent: not while the connection is broken. */
  send(text: string): boolean;
  /** Ends the program's input. */
  end(): boolean;
  signal(name: Signal): boolean;
  close(): void;
}

const DONE = 1000;
const KEY_ENDED = 4401;
/** A WebSocket tells nothing of why it could not begin; so often, it is not the network. */
const TRIES_MAX = 8;
/** A frame may have 64 KiB; a UTF-16 unit is at most 3 bytes, and escapes double it. */
const SENT_CHARS_MAX = 8 * 1024;

export function attach(id: string, heard: Heard): Conversation {
  const stop = new AbortController();
  let socket: WebSocket | null = null;
  void converse(id, heard, stop.signal, (next) => (socket = next));
  const say = (frame: object): boolean => {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(frame));
    return true;
  };
  return {
    send(text) {
      for (let at = 0; at < text.length; at += SENT_CHARS_MAX) {
        if (!say({ type: "stdin", text: text.slice(at, at + SENT_CHARS_MAX) })) return false;
      }
      return true;
    },
    end: () => say({ type: "end" }),
    signal: (name) => say({ type: "signal", signal: name }),
    close() {
      stop.abort();
      socket?.close();
    },
  };
}

async function converse(id: string, heard: Heard, signal: AbortSignal, take: (socket: WebSocket) => void): Promise<void> {
  let after = "";
  for (let tries = 0; !signal.aborted; ) {
    heard.onState?.(tries === 0 ? "connecting" : "broken");
    const socket = new WebSocket(addressOf(id, after));
    take(socket);
    const code = await hear(socket, heard, (cursor) => {
      after = cursor;
      tries = 0;
    });
    if (signal.aborted) return;
    if (code === DONE) return heard.onEnd?.();
    if (code === KEY_ENDED) return heard.onRefused?.(new Problem("unauthorized", 401, "the key has ended"));
    tries += 1;
    if (tries > TRIES_MAX) return heard.onRefused?.(new Problem("attach_failed", 0, "the program could not be reached"));
    heard.onState?.("broken");
    await pause(backoff(tries), signal);
  }
}

function hear(socket: WebSocket, heard: Heard, seen: (cursor: string) => void): Promise<number> {
  return new Promise((resolve) => {
    socket.onopen = () => heard.onState?.("live");
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      const frame = JSON.parse(data) as Frame;
      if (frame.cursor) seen(frame.cursor);
      heard.onFrame(frame);
    };
    socket.onclose = ({ code }) => resolve(code);
  });
}

function addressOf(id: string, after: string): string {
  const query = after === "" ? "" : `?after=${encodeURIComponent(after)}`;
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/jobs/${id}/attach${query}`;
}

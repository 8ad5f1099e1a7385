// The event-stream format (WHATWG HTML, 9.2.6), as far as the server uses it: LF line ends, no `retry`.

export interface ServerEvent {
  /** The cursor to resume at; empty where the event had none. */
  id: string;
  event: string;
  data: string;
}

/** Takes the stream in pieces of any size; gives whole events. */
export class EventParser {
  #rest = "";

  take(piece: string): ServerEvent[] {
    const blocks = (this.#rest + piece).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const block of blocks) {
      const event = parse(block);
      if (event) events.push(event);
    }
    return events;
  }
}

function parse(block: string): ServerEvent | null {
  const event: ServerEvent = { id: "", event: "message", data: "" };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") data.push(value);
    else if (name === "event") event.event = value;
    else if (name === "id") event.id = value;
  }
  if (data.length === 0) return null;
  event.data = data.join("\n");
  return event;
}

// A log that tells the page of its growth once per frame, however many pieces came.
import { Log, type LogStream, type Section } from "./log";

export class LiveLog {
  readonly log = new Log();
  #version = $state(0);
  #asked = false;

  /** Changes when there is more to show. */
  get version(): number {
    return this.#version;
  }

  append(section: Section, stream: LogStream, text: string): void {
    this.log.append(section, stream, text);
    this.#ask();
  }

  clear(): void {
    this.log.clear();
    this.#ask();
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const show = (): void => {
      if (!this.#asked) return;
      this.#asked = false;
      this.#version += 1;
    };
    // A page in the background gets no frames, but is read aloud and looked at by tests.
    if (document.hidden) setTimeout(show, 200);
    else requestAnimationFrame(show);
  }
}

// Server-sent events from text as it arrives. Owns the grammar (field, colon, line ends, blank line) and nothing else.

/** A line longer than this is no document of ours: the reader gives up instead of growing for ever. */
export const MAX_BUFFER_CHARS = 8 * 1024 * 1024;

/** Takes text in any pieces and calls back with each complete event and each `retry:`. */
export class EventStreamParser {
  #buffer = "";
  #data = [];
  #type = "";
  #id = null;
  #onEvent;
  #onRetry;

  /**
   * @param {(event: {type: string, data: string, id: string | null}) => void} onEvent
   * @param {(retryMs: number) => void} onRetry
   */
  constructor(onEvent, onRetry = () => {}) {
    this.#onEvent = onEvent;
    this.#onRetry = onRetry;
  }

  /** @throws {RangeError} a line has no end */
  push(text) {
    this.#buffer += text;
    // "\r" at the end of a piece may be the first half of "\r\n": it waits for the next piece.
    const lines = this.#buffer.split(/\r\n|\n|\r(?!$)/);
    this.#buffer = lines.pop();
    for (const line of lines) this.#line(line);
    if (this.#buffer.length > MAX_BUFFER_CHARS) throw new RangeError("event stream: a line without end");
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) {
        this.#onEvent({ type: this.#type || "message", data: this.#data.join("\n"), id: this.#id });
      }
      this.#data = [];
      this.#type = "";
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the server's ping
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d{1,7}$/.test(value)) this.#onRetry(Number(value));
  }
}

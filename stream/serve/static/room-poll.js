// One room by repeated requests for its snapshot, for pages without a free connection for a stream. While nothing
// changes, an answer has no body.

import { pipelineOf } from "./pipeline.js";
import { Refusal, isRefusal, problemOf, sleep } from "./stream-connection.js";

const ASK_EVERY_MS = 400;
const FAILED_RETRY_MS = 2_000;
const TIMEOUT_MS = 10_000;
/** The server's problem type → the state of a room, in the event stream's words. */
const STATES = {
  "urn:snapup:problem:room_missing": "missing",
  "urn:snapup:problem:redis_away": "redis_away",
  "urn:snapup:problem:document_unreadable": "unreadable",
};

/** Calls back like `StreamConnection`. */
export class RoomPoll {
  #url;
  #headers;
  #onEvent;
  #onState;
  #running = new AbortController();
  #wake = () => {};
  #etag = "";
  #pipeline = "";
  #said = "";

  /** @param {{url: string|URL, headers: () => Record<string, string>, onEvent: Function, onState: Function}} options */
  constructor({ url, headers, onEvent, onState }) {
    this.#url = url;
    this.#headers = headers;
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.#goOn(this.#running.signal);
  }

  /** Ask at once. */
  wake() {
    this.#wake();
  }

  /** Stop asking. */
  stop() {
    this.#running.abort();
  }

  async #goOn(signal) {
    while (!signal.aborted) {
      let waitMs = ASK_EVERY_MS;
      try {
        await this.#ask(signal);
      } catch (error) {
        if (signal.aborted) return;
        waitMs = Math.max(FAILED_RETRY_MS, error instanceof Refusal ? error.waitMs : 0);
        this.#state(false, error instanceof Refusal && error.refused, error.problem);
      }
      const { slept, wake } = sleep(waitMs, signal);
      this.#wake = wake;
      await slept;
    }
  }

  async #ask(signal) {
    const headers = { ...this.#headers(), ...(this.#etag && { "If-None-Match": this.#etag }) };
    const within = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const response = await fetch(this.#url, { headers, cache: "no-store", signal: within });
    const pipeline = response.headers.get("Snapup-Pipeline") ?? "";
    if (response.status === 304) {
      // The next answer has a body again, and is told with what it says of the workers.
      if (stateIn(pipeline) !== stateIn(this.#pipeline)) this.#etag = "";
      return this.#state(true, false);
    }
    this.#pipeline = pipeline;
    const serverMs = Number(response.headers.get("Snapup-Time-Ms"));
    if (response.ok) {
      this.#etag = response.headers.get("ETag") ?? "";
      this.#tell(response.headers.get("Snapup-State") ?? "live", await response.text(), serverMs);
      return this.#state(true, false);
    }
    const problem = await problemOf(response);
    const refused = isRefusal(response);
    const state = refused ? undefined : STATES[problem];
    if (state === undefined) throw Object.assign(new Refusal(response), { refused, problem: refused ? problem : null });
    this.#etag = "";
    this.#state(true, false);
    this.#tell(state, "null", serverMs);
  }

  #tell(state, overlay, serverMs) {
    const workers = this.#pipeline && `,"pipeline":${this.#pipeline}`;
    const data = `{"server_time_ms":${serverMs},"state":${JSON.stringify(state)}${workers},"overlay":${overlay}}`;
    this.#onEvent({ type: "snapshot", data, id: null });
  }

  #state(online, refused, problem = null) {
    const says = `${online} ${refused} ${problem}`;
    if (says !== this.#said) this.#onState({ online, refused, problem });
    this.#said = says;
  }
}

/** "up", "partly" or "down" of the header; undefined: not known. */
function stateIn(header) {
  return header ? pipelineOf(JSON.parse(header))?.state : undefined;
}

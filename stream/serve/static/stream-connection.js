// One event stream of one room: connects, reads, and connects again until stopped. Knows nothing of documents.

import { EventStreamParser } from "./event-stream.js";

/** The server pings every 15 s: after this long without a byte the connection is dead, even if it looks alive. */
const SILENCE_MS = 40_000;
const CONNECT_TIMEOUT_MS = 10_000;
const RETRY_MS = 500;
/** The bound on the wait between tries: a restarted server is found again within this time plus the connecting. */
const RETRY_MAX_MS = 4_000;
/** The wait after a refusal (token expired, not for this room): an earlier try would not help. */
const REFUSED_RETRY_MS = 30_000;

/** Calls back with events and states, as `RoomPoll` and `SharedStream` do. */
export class StreamConnection {
  #url;
  #headers;
  #onEvent;
  #onState;
  #running = new AbortController();
  #wake = () => {};
  #retryMs = RETRY_MS;
  #refused = false;
  #problem = null;

  /**
   * @param {object} options
   * @param {string|URL} options.url
   * @param {() => Record<string, string>} options.headers  called before each connection
   * @param {(event: {type: string, data: string, id: string | null}) => void} options.onEvent
   * @param {(state: {online: boolean, refused: boolean, problem?: string}) => void} options.onState
   */
  constructor({ url, headers, onEvent, onState }) {
    this.#url = url;
    this.#headers = headers;
    this.#onEvent = onEvent;
    this.#onState = onState;
    this.#stayConnected(this.#running.signal);
  }

  /** Try again at once, if waiting for the next try. */
  wake() {
    this.#wake();
  }

  /** Close the connection for good. */
  stop() {
    this.#running.abort();
  }

  async #stayConnected(signal) {
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = 0;
      try {
        await this.#read(signal, () => (failures = 0));
      } catch (error) {
        waitMs = error instanceof Refusal ? error.waitMs : 0;
      }
      if (signal.aborted) return;
      this.#onState({ online: false, refused: this.#refused, problem: this.#problem });
      const backoffMs = Math.min(this.#retryMs * 2 ** failures, RETRY_MAX_MS);
      failures = Math.min(failures + 1, 10);
      // Half of the wait is random, so that a thousand pages do not come back in one breath.
      await this.#sleep(Math.max(waitMs, backoffMs * (0.5 + Math.random() / 2)), signal);
    }
  }

  #sleep(ms, signal) {
    const { slept, wake } = sleep(ms, signal);
    this.#wake = wake;
    return slept;
  }

  /** One connection from beginning to end. It ends by an error or a return, and the caller tries again. */
  async #read(signal, onEvent) {
    const connection = new AbortController();
    const abort = () => connection.abort();
    signal.addEventListener("abort", abort);
    let watchdog = setTimeout(abort, CONNECT_TIMEOUT_MS);
    try {
      const headers = { Accept: "text/event-stream", ...this.#headers() };
      const response = await fetch(this.#url, { headers, cache: "no-store", signal: connection.signal });
      this.#refused = isRefusal(response);
      this.#problem = this.#refused ? await problemOf(response) : null;
      if (!response.ok || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        if (!response.bodyUsed) await response.body?.cancel();
        throw new Refusal(response);
      }
      this.#onState({ online: true, refused: false });
      const parser = new EventStreamParser(
        (event) => {
          onEvent();
          this.#onEvent(event);
        },
        (retryMs) => (this.#retryMs = Math.min(Math.max(retryMs, 100), RETRY_MAX_MS)),
      );
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        clearTimeout(watchdog);
        watchdog = setTimeout(abort, SILENCE_MS);
        const { done, value } = await reader.read();
        if (done || signal.aborted) return;
        parser.push(value);
      }
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener("abort", abort);
      connection.abort();
    }
  }
}

/** An unexpected answer. `waitMs`: the wait before the next try. */
export class Refusal extends Error {
  constructor(response) {
    super(`the server answered ${response.status}`);
    const afterS = Number(response.headers.get("Retry-After"));
    this.waitMs = afterS > 0 ? Math.min(afterS * 1000, REFUSED_RETRY_MS) : isRefusal(response) ? REFUSED_RETRY_MS : 0;
  }
}

/** Whether the server refused the token. */
export function isRefusal(response) {
  return response.status === 401 || response.status === 403;
}

/** The type of the problem in an answer; null if there is none. */
export async function problemOf(response) {
  const problem = await response.json().catch(() => null);
  return typeof problem?.type === "string" ? problem.type : null;
}

/** `slept` resolves after `ms`, when `signal` aborts, or when `wake` is called. */
export function sleep(ms, signal) {
  let wake;
  const slept = new Promise((resolve) => {
    wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
  });
  return { slept, wake };
}

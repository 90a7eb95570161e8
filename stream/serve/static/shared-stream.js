// A page's connection to the worker that all pages of a browser share. Without such workers (an old browser, a page of
// another origin) the page has an event stream of its own. While the worker does not answer (a busy machine, a server
// that is not up yet) the page polls: streams of many pages would hold all connections that the worker's files need.

import { RoomPoll } from "./room-poll.js";
import { StreamConnection } from "./stream-connection.js";

const WORKER_TIMEOUT_MS = 3_000;
/** Well below the time after which the worker gives a silent page up. */
const PING_MS = 5_000;
/** A worker that has left more pings than this without an answer is gone: it ends with the process that it ran in. */
const UNANSWERED_MAX = 1;
/** The wait after a worker that failed, until it is tried anew. */
const AGAIN_MS = 5_000;

/** Calls back like `StreamConnection`, with the age in ms of an event that was received earlier. */
export class SharedStream {
  #url;
  #token;
  #options;
  #port = null;
  #own = null;
  #timer = 0;
  #ping = 0;
  #unanswered = 0;

  /**
   * @param {object} options
   * @param {URL} options.url
   * @param {string} options.token
   * @param {() => Record<string, string>} options.headers  for a connection of its own
   * @param {(event: {type: string, data: string, id: string | null}, ageMs: number) => void} options.onEvent
   * @param {(state: {online: boolean, refused: boolean}) => void} options.onState
   */
  constructor({ url, token, headers, onEvent, onState }) {
    this.#url = url;
    this.#token = token;
    this.#options = { url, headers, onEvent: (event) => onEvent(event, 0), onState };
    this.#onEvent = onEvent;
    this.#share();
  }

  #onEvent;

  /** Try again at once, if waiting for the next try. */
  wake() {
    this.#own?.wake();
    this.#port?.postMessage({ wake: true });
  }

  /** Close the connection for good. */
  stop() {
    this.#unshare();
    this.#own?.stop();
    this.#own = null;
  }

  #share() {
    let worker;
    try {
      worker = new SharedWorker(new URL("shared-streams.js", import.meta.url), { type: "module", name: "snapup" });
    } catch {
      this.#own = new StreamConnection(this.#options);
      return;
    }
    const { port } = worker;
    this.#port = port;
    worker.onerror = () => port === this.#port && this.#failed();
    this.#timer = setTimeout(() => this.#poll(), WORKER_TIMEOUT_MS);
    port.onmessage = ({ data }) => {
      if (port !== this.#port) return;
      this.#unanswered = 0;
      if (data.hello) this.#attach();
      else if (data.state) this.#options.onState(data.state);
      else if (data.event) this.#onEvent(data.event, data.ageMs);
    };
  }

  #attach() {
    clearTimeout(this.#timer);
    this.#own?.stop();
    this.#own = null;
    this.#port.postMessage({ attach: { url: this.#url.href, token: this.#token } });
    this.#ping = setInterval(() => {
      if (this.#unanswered++ >= UNANSWERED_MAX) this.#failed();
      else this.#port.postMessage({ ping: true });
    }, PING_MS);
  }

  /** The worker failed or is gone: the page polls, and tries the worker again. */
  #failed() {
    this.#unshare();
    this.#poll();
    this.#timer = setTimeout(() => this.#share(), AGAIN_MS);
  }

  /** Polls until the worker answers. */
  #poll() {
    this.#own ??= new RoomPoll({ ...this.#options, url: this.#url.href.replace(/\/events(?=$|\?)/, "") });
  }

  #unshare() {
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    this.#unanswered = 0;
    this.#port?.postMessage({ detach: true });
    this.#port?.close();
    this.#port = null;
  }
}

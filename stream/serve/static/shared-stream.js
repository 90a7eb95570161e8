// A page's connection to the worker that all pages of a browser share. Without that worker (an old browser, a page of
// another origin, a server that is not up yet) the page has a connection of its own.

import { StreamConnection } from "./stream-connection.js";

const WORKER_TIMEOUT_MS = 3_000;
/** Well below the time after which the worker gives a silent page up. */
const PING_MS = 20_000;

/** Calls back like `StreamConnection`, with the age in ms of an event that was received earlier. */
export class SharedStream {
  #url;
  #token;
  #options;
  #port = null;
  #own = null;
  #timer = 0;
  #ping = 0;
  #stopped = false;

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
    this.#stopped = true;
    this.#unshare();
    this.#own?.stop();
  }

  #share() {
    let worker;
    try {
      worker = new SharedWorker(new URL("shared-streams.js", import.meta.url), { type: "module", name: "snapup" });
    } catch {
      this.#connect({ again: false });
      return;
    }
    this.#port = worker.port;
    const failed = () => {
      this.#unshare();
      if (!this.#stopped) this.#connect({ again: true });
    };
    worker.onerror = failed;
    this.#timer = setTimeout(failed, WORKER_TIMEOUT_MS);
    this.#port.onmessage = ({ data }) => {
      clearTimeout(this.#timer);
      if (data.hello) this.#attach();
      else if (data.state) this.#options.onState(data.state);
      else if (data.event) this.#onEvent(data.event, data.ageMs);
    };
  }

  #attach() {
    this.#port.postMessage({ attach: { url: this.#url.href, token: this.#token } });
    this.#ping = setInterval(() => this.#port.postMessage({ ping: true }), PING_MS);
  }

  #unshare() {
    clearTimeout(this.#timer);
    clearInterval(this.#ping);
    this.#port?.postMessage({ detach: true });
    this.#port?.close();
    this.#port = null;
  }

  /** Opens a connection of its own. `again`: after that connection ends, the worker is tried anew. */
  #connect({ again }) {
    const onState = (state) => {
      this.#options.onState(state);
      if (again && !state.online && !state.refused && !this.#stopped) {
        this.#own.stop();
        this.#own = null;
        this.#share();
      }
    };
    this.#own = new StreamConnection({ ...this.#options, onState });
  }
}

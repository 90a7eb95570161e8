// The worker that all pages of one browser share: one event stream for each room, however many pages show the room. A
// browser opens six connections to a host over HTTP/1.1, and eight overlay sources of one scene are eight pages.

import { RoomPoll } from "./room-poll.js";
import { StreamConnection } from "./stream-connection.js";

/** Rooms with a stream of their own. Further rooms are polled, so that pages still find a connection to load. */
const STREAMS_MAX = 4;
/** Bound on a page's silence. A page reports every 5 s, a hidden one every minute. */
const SILENT_PAGE_MS = 150_000;
const LOOK_EVERY_MS = 30_000;

/** Room address and token → its feed, in the order of creation. */
const feeds = new Map();

/** One room for all pages that show it. */
class Feed {
  pages = new Set();
  isPolled = false;
  #options;
  #connection = null;
  #state = { online: false, refused: false };
  /** The last snapshot and what followed it without one, each with the time of its receipt. */
  #events = [];

  constructor(url, token) {
    const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});
    const onEvent = (event) => {
      // A `fresh` event says all that the one before it said.
      const begins = event.type === "snapshot" ? [] : this.#events.slice(0, 1);
      this.#events = [...begins, { event, receivedAt: performance.now() }];
      this.#tellAll({ event, ageMs: 0 });
    };
    const onState = (state) => {
      this.#state = state;
      this.#tellAll({ state });
    };
    this.#options = { url, headers, onEvent, onState };
  }

  /** Get the room's events by a stream, or by polling. */
  connect(isPolled) {
    if (this.#connection !== null && isPolled === this.isPolled) return;
    this.#connection?.stop();
    this.isPolled = isPolled;
    const url = isPolled ? this.#options.url.replace(/\/events(?=$|\?)/, "") : this.#options.url;
    this.#connection = new (isPolled ? RoomPoll : StreamConnection)({ ...this.#options, url });
  }

  /** Adds a page and sends it the last known events with their age. */
  add(page) {
    this.pages.add(page);
    page.port.postMessage({ state: this.#state });
    if (!this.#state.online) return;
    for (const { event, receivedAt } of this.#events) {
      page.port.postMessage({ event, ageMs: performance.now() - receivedAt });
    }
  }

  wake() {
    this.#connection?.wake();
  }

  stop() {
    this.#connection?.stop();
  }

  #tellAll(message) {
    for (const page of this.pages) page.port.postMessage(message);
  }
}

/** The worker's side of one page. */
class Page {
  #feed = null;
  #key = "";
  heardAt = performance.now();

  constructor(port) {
    this.port = port;
    port.onmessage = ({ data }) => this.#take(data);
  }

  #take(message) {
    this.heardAt = performance.now();
    if (message.attach) this.attach(message.attach);
    else if (message.detach) this.detach();
    else if (message.ping) this.port.postMessage({ pong: true });
    else if (message.wake) this.#feed?.wake();
  }

  attach({ url, token }) {
    this.detach();
    this.#key = `${url} ${token}`;
    this.#feed = feeds.get(this.#key) ?? new Feed(url, token);
    feeds.set(this.#key, this.#feed);
    this.#feed.add(this);
    share();
  }

  detach() {
    this.#feed?.pages.delete(this);
    if (this.#feed?.pages.size === 0) {
      this.#feed.stop();
      feeds.delete(this.#key);
      share();
    }
    this.#feed = null;
  }
}

/** Gives the first rooms streams and polls the others. */
function share() {
  let place = 0;
  for (const feed of feeds.values()) feed.connect(place++ >= STREAMS_MAX);
}

self.onconnect = ({ ports: [port] }) => {
  new Page(port);
  port.postMessage({ hello: true });
};

/** A crashed page never detaches: silent pages are removed. */
setInterval(() => {
  for (const feed of [...feeds.values()]) {
    for (const page of [...feed.pages]) {
      if (performance.now() - page.heardAt > SILENT_PAGE_MS) page.detach();
    }
  }
}, LOOK_EVERY_MS);

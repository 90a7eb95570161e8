// The worker that all pages of one browser share: one event stream for each room, however many pages show it. A browser
// opens six connections to a host over HTTP/1.1, and eight overlay sources of one scene are eight pages of one browser.

import { RoomPoll } from "./room-poll.js";
import { StreamConnection } from "./stream-connection.js";

/** Rooms with a stream of their own. Beyond it rooms are asked for, so that pages still find a connection to load. */
const STREAMS_MAX = 4;
/** A page says that it is there each 20 s, a hidden one each minute. */
const SILENT_PAGE_MS = 150_000;
const LOOK_EVERY_MS = 30_000;

/** room address and token → its feed, in the order of their making. */
const feeds = new Map();

/** One room for all pages that show it. */
class Feed {
  pages = new Set();
  isPolled = false;
  #options;
  #connection = null;
  #state = { online: false, refused: false };
  #event = null;
  #receivedAt = 0;

  constructor(url, token) {
    const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});
    const onEvent = (event) => {
      this.#event = event;
      this.#receivedAt = performance.now();
      this.#tellAll({ event, ageMs: 0 });
    };
    const onState = (state) => {
      this.#state = state;
      this.#tellAll({ state });
    };
    this.#options = { url, headers, onEvent, onState };
  }

  /** Get its events by a stream, or by asking. */
  connect(isPolled) {
    if (this.#connection !== null && isPolled === this.isPolled) return;
    this.#connection?.stop();
    this.isPolled = isPolled;
    const url = isPolled ? this.#options.url.replace(/\/events$/, "") : this.#options.url;
    this.#connection = new (isPolled ? RoomPoll : StreamConnection)({ ...this.#options, url });
  }

  /** A page that comes later is told what is known, and how old that is. */
  add(page) {
    this.pages.add(page);
    page.port.postMessage({ state: this.#state });
    if (this.#event !== null && this.#state.online) {
      page.port.postMessage({ event: this.#event, ageMs: performance.now() - this.#receivedAt });
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

/** One page's end of the line. */
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

/** The first rooms have streams. */
function share() {
  let place = 0;
  for (const feed of feeds.values()) feed.connect(place++ >= STREAMS_MAX);
}

self.onconnect = ({ ports: [port] }) => {
  new Page(port);
  port.postMessage({ hello: true });
};

/** A page that crashed does not say that it is gone. */
setInterval(() => {
  for (const feed of [...feeds.values()]) {
    for (const page of [...feed.pages]) {
      if (performance.now() - page.heardAt > SILENT_PAGE_MS) page.detach();
    }
  }
}, LOOK_EVERY_MS);

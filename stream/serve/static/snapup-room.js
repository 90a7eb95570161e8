// The live figures of one room, for a page. Public: a widget of your own needs this module and nothing else.
//
//   import { SnapupRoom } from "https://your.server/static/snapup-room.js";
//   const room = new SnapupRoom({ room: "my-room" });
//   room.addEventListener("change", () => {
//     const claim = room.claim("stock_left");
//     element.textContent = claim ? `${claim.value} left` : "";
//   });
//   room.start();
//
// Pages of one browser share one connection for each room. Owns: when there is a connection, the server-corrected clock,
// and forgetting: what is past its time is not handed out, and "change" says so at that very moment. Draws nothing.

import { isOverlay } from "./document.js";
import { ServerClock } from "./server-clock.js";
import { SharedStream } from "./shared-stream.js";

/** Longest timer a browser can set without overflow. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * @fires SnapupRoom#change     what may be shown changed: a new snapshot, a claim or the snapshot ran out, the state
 * @fires SnapupRoom#snapshot   a newer document; `detail` is the document
 */
export class SnapupRoom extends EventTarget {
  #room;
  #token;
  #url;
  #whenHidden;
  #clock = new ServerClock();
  #last = null;
  #broken = false;
  #serverState = null;
  #online = false;
  #refused = false;
  #wanted = false;
  #sourceVisible = true;
  #stream = null;
  #timer = 0;
  #said = "";

  /** Since this object was made: documents taken, torn ones, ones older than what was known, connections opened. */
  counts = { snapshots: 0, unreadable: 0, older: 0, connections: 0 };

  /**
   * @param {object} options
   * @param {string} options.room
   * @param {string} [options.token]       for this room, when the server asks for one
   * @param {string|URL} [options.server]  base address; default: where this module came from
   * @param {"stop"|"keep"} [options.whenHidden]  "stop" (default): no connection while nobody sees the page
   */
  constructor({ room, token = "", server = new URL("../", import.meta.url), whenHidden = "stop" }) {
    super();
    this.#room = room;
    this.#token = token;
    this.#url = new URL(`v1/rooms/${encodeURIComponent(room)}/events`, new URL(server, document.baseURI));
    this.#whenHidden = whenHidden;
  }

  /** Epoch ms by the server's clock. Compare `valid_until_ms`, `ends_at_ms` and the like with this, never with Date. */
  now() {
    return this.#clock.now();
  }

  /** The document while it is fresh, else null: nothing old looks new. */
  get overlay() {
    return this.#last !== null && this.now() <= this.#last.stale_after_ms ? this.#last : null;
  }

  /** The newest whole document whatever its age, for a screen that shows how old it is. */
  get last() {
    return this.#last;
  }

  /** Whether a connection stands. */
  get online() {
    return this.#online;
  }

  /**
   * "live": `overlay` is there. Else why it is not: "connecting" (never heard yet), "offline" (connection lost),
   * "refused" (token), "unreadable" (the document is torn), "stale", "missing" (no such room now), "redis_away".
   */
  get state() {
    if (this.overlay !== null) return "live";
    if (this.#refused) return "refused";
    if (!this.#online) return this.#serverState === null ? "connecting" : "offline";
    if (this.#broken) return "unreadable";
    if (this.#serverState === "live") return "stale";
    return this.#serverState ?? "connecting";
  }

  /** The claims that may be said at this moment. */
  get claims() {
    const overlay = this.overlay;
    if (overlay === null) return [];
    const now = this.now();
    return overlay.claims.filter((claim) => now <= claim.valid_until_ms);
  }

  /** The first claim of a kind that may be said now, of one sale and SKU if named; null if there is none. */
  claim(kind, { sale, sku } = {}) {
    const fits = (claim) =>
      claim.claim === kind && (!sale || claim.sale_id === sale) && (!sku || claim.sku_id === sku);
    return this.claims.find(fits) ?? null;
  }

  /** Connect, and stay connected until `stop`. May be called before the server is up. */
  start() {
    if (this.#wanted) return this;
    this.#wanted = true;
    document.addEventListener("visibilitychange", this.#onVisibility);
    window.addEventListener("obsSourceVisibleChanged", this.#onSourceVisible);
    window.addEventListener("online", this.#onOnline);
    window.addEventListener("pagehide", this.#onPageHide);
    window.addEventListener("pageshow", this.#onVisibility);
    this.#onVisibility();
    return this;
  }

  /** Disconnect and let go of every timer and listener. */
  stop() {
    this.#wanted = false;
    document.removeEventListener("visibilitychange", this.#onVisibility);
    window.removeEventListener("obsSourceVisibleChanged", this.#onSourceVisible);
    window.removeEventListener("online", this.#onOnline);
    window.removeEventListener("pagehide", this.#onPageHide);
    window.removeEventListener("pageshow", this.#onVisibility);
    this.#disconnect();
    clearTimeout(this.#timer);
  }

  // -- seen or not ----------------------------------------------------------------------------------------------------
  #onVisibility = () => {
    const seen = this.#whenHidden === "keep" || (!document.hidden && this.#sourceVisible);
    if (this.#wanted && seen) {
      this.#connect();
      this.#changed(); // timers slept: what ran out meanwhile goes now
    } else {
      this.#disconnect();
      clearTimeout(this.#timer);
    }
  };

  /** OBS tells when the source is switched off in its scene; the page itself stays "visible" there. */
  #onSourceVisible = (event) => {
    this.#sourceVisible = event.detail?.visible !== false;
    this.#onVisibility();
  };

  /** The page goes, perhaps to come back as it is. */
  #onPageHide = () => this.#disconnect();

  #onOnline = () => this.#stream?.wake();

  // -- connection -----------------------------------------------------------------------------------------------------
  #connect() {
    if (this.#stream !== null) return;
    // What a stream that was let go of still says is nobody's any more.
    const whileMine = (take) => (...said) => mine === this.#stream && take(...said);
    const mine = new SharedStream({
      url: this.#url,
      token: this.#token,
      headers: () => this.#headers(),
      onEvent: whileMine((event, ageMs) => this.#take(event, ageMs)),
      onState: whileMine((state) => this.#connected(state)),
    });
    this.#stream = mine;
  }

  #disconnect() {
    this.#stream?.stop();
    this.#stream = null;
    this.#online = false;
  }

  #connected({ online, refused }) {
    this.counts.connections += online && !this.#online;
    this.#online = online;
    this.#refused = refused;
    this.#changed();
  }

  #headers() {
    const headers = {};
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    // Only what is still shown need not be sent again.
    if (this.overlay !== null) headers["Last-Event-ID"] = `${this.#last.epoch}-${this.#last.rev}`;
    return headers;
  }

  // -- documents ------------------------------------------------------------------------------------------------------
  /** @param {number} ageMs  since it was received: another page may have been first */
  #take(event, ageMs) {
    if (event.type !== "snapshot") return;
    let message;
    try {
      message = JSON.parse(event.data);
    } catch {
      message = null;
    }
    if (typeof message !== "object" || message === null) {
      this.#drop();
      this.#changed(true);
      return;
    }
    this.#broken = false;
    if (Number.isSafeInteger(message.server_time_ms)) this.#clock.observe(message.server_time_ms + ageMs);
    this.#serverState = typeof message.state === "string" ? message.state : null;
    if (message.overlay !== null && message.overlay !== undefined) this.#replace(message.overlay);
    else if (this.#serverState === "unreadable") this.#drop();
    else if (this.#serverState === "missing") this.#last = null;
    this.#changed(true);
  }

  #replace(overlay) {
    if (!isOverlay(overlay) || overlay.room_id !== this.#room) {
      this.#drop();
      return;
    }
    this.#broken = false;
    // While what is shown is fresh, only something newer takes its place: two servers may differ by a moment. Once it is
    // not, anything fresh does, also the first document of a new count.
    const shown = this.overlay;
    if (shown !== null && !isNewer(overlay, shown)) {
      this.counts.older += 1;
      return;
    }
    this.#last = overlay;
    this.counts.snapshots += 1;
    this.dispatchEvent(new CustomEvent("snapshot", { detail: overlay }));
  }

  /** A torn document: nothing of it is used, and what was there before it goes too, for it is not the truth any more. */
  #drop() {
    this.counts.unreadable += 1;
    this.#broken = true;
    this.#last = null;
  }

  // -- time -----------------------------------------------------------------------------------------------------------
  /** Tell, unless nothing that can be asked for has changed, and come back when the next thing runs out. */
  #changed(always = false) {
    const says = `${this.state} ${this.#online} ${this.claims.length}`;
    if (always || says !== this.#said) {
      this.#said = says;
      this.dispatchEvent(new Event("change"));
    }
    clearTimeout(this.#timer);
    const overlay = this.overlay;
    if (overlay === null || !this.#wanted) return;
    const now = this.now();
    let untilMs = overlay.stale_after_ms;
    for (const claim of overlay.claims) {
      if (claim.valid_until_ms >= now) untilMs = Math.min(untilMs, claim.valid_until_ms);
    }
    // "Valid until" includes that millisecond.
    this.#timer = setTimeout(() => this.#changed(), Math.min(Math.max(untilMs - now + 1, 1), TIMER_MAX_MS));
  }
}

function isNewer(overlay, shown) {
  return overlay.epoch > shown.epoch || (overlay.epoch === shown.epoch && overlay.rev > shown.rev);
}

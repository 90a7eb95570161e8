// The live figures of one room, for a page. Public: a custom widget needs only this module.
//
//   import { SnapupRoom } from "https://your.server/static/snapup-room.js";
//   const room = new SnapupRoom({ room: "my-room" });
//   room.addEventListener("change", () => {
//     const claim = room.claim("stock_left");
//     element.textContent = claim ? `${claim.value} left` : "";
//   });
//   room.start();
//
// Pages of one browser share one connection for each room. This module owns the connection, the server-corrected clock,
// and expiry: expired values are not handed out, and "change" fires at that very moment. It draws nothing.

import { isFresh, isOverlay } from "./document.js";
import { pipelineOf } from "./pipeline.js";
import { ServerClock } from "./server-clock.js";
import { SharedStream } from "./shared-stream.js";

/** The longest timer that a browser can set without overflow. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** The server's problem type → why it refuses. */
const REFUSALS = {
  "urn:snapup:problem:token_missing": "needed",
  "urn:snapup:problem:token_expired": "expired",
  "urn:snapup:problem:token_other_room": "other_room",
};

/**
 * @fires SnapupRoom#change     what may be shown changed: a new snapshot, an expired claim or snapshot, a new state
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
  #withdrawn = false;
  #serverState = null;
  #pipeline = null;
  #online = false;
  #refused = false;
  #refusal = null;
  #wanted = false;
  #sourceVisible = true;
  #stream = null;
  #timer = 0;
  #said = "";

  /** Counts since this object was made: documents taken, freshened, torn, older than the last; connections, bytes. */
  counts = { snapshots: 0, freshened: 0, unreadable: 0, older: 0, connections: 0, bytes: 0 };

  /**
   * @param {object} options
   * @param {string} options.room
   * @param {string} [options.sale]        only this sale, with the room's own figures
   * @param {string} [options.sku]         only this product
   * @param {string[]} [options.parts]     only these sections of the document, such as ["claims", "feed"]
   * @param {string} [options.token]       for this room, if the server asks for one
   * @param {string|URL} [options.server]  base address; default: the origin of this module
   * @param {"stop"|"keep"} [options.whenHidden]  "stop" (default): no connection while the page is hidden
   */
  constructor({
    room,
    token = "",
    sale = "",
    sku = "",
    parts = null,
    server = new URL("../", import.meta.url),
    whenHidden = "stop",
  }) {
    super();
    this.#room = room;
    this.#token = token;
    this.#url = new URL(`v1/rooms/${encodeURIComponent(room)}/events`, new URL(server, document.baseURI));
    // Pages with the same subject and parts have the same address, and share one connection.
    if (sale) this.#url.searchParams.set("sale", sale);
    if (sku) this.#url.searchParams.set("sku", sku);
    if (parts !== null) this.#url.searchParams.set("parts", [...new Set(parts)].sort().join(","));
    this.#whenHidden = whenHidden;
  }

  /** Epoch ms by the server's clock. Compare `valid_until_ms`, `ends_at_ms` and the like with this, never with Date. */
  now() {
    return this.#clock.now();
  }

  /** The document while it is fresh, else null: old figures never look new. */
  get overlay() {
    return this.#last !== null && !this.#withdrawn && this.now() <= this.#last.stale_after_ms ? this.#last : null;
  }

  /**
   * The newest whole document of any age, for a screen that shows its age and its reason. It stays when the room's
   * document is gone or torn: `overlay` is null then.
   */
  get last() {
    return this.#last;
  }

  /** Whether a connection is open. */
  get online() {
    return this.#online;
  }

  /**
   * "live": `overlay` is there. Otherwise the reason for its absence: "connecting" (no answer yet), "offline"
   * (connection lost), "refused" (token), "unreadable" (torn document), "stale", "missing" (no such room now),
   * "redis_away".
   */
  get state() {
    if (this.overlay !== null) return "live";
    if (this.#refused) return "refused";
    if (!this.#online) return this.#serverState === null ? "connecting" : "offline";
    if (this.#broken) return "unreadable";
    if (this.#serverState === "live") return "stale";
    return this.#serverState ?? "connecting";
  }

  /** Why the server refuses, while `state` is "refused": "needed", "expired", "other_room" or "invalid"; else null. */
  get refusal() {
    return this.#refused ? (REFUSALS[this.#refusal] ?? "invalid") : null;
  }

  /**
   * The workers, as the server hears them: `{ state, workers, heard_ms, partitions, folded }`; null while that is not
   * known. `state` tells why a room is stale: "up" (nobody sends), "partly" (some rooms are folded by nobody), "down"
   * (no worker was heard since `heard_ms`). It holds until the next change: the server sends each one.
   */
  get pipeline() {
    return this.#online ? this.#pipeline : null;
  }

  /** The claims that may be said at this moment. */
  get claims() {
    const overlay = this.overlay;
    if (overlay === null) return [];
    const now = this.now();
    return overlay.claims.filter((claim) => now <= claim.valid_until_ms);
  }

  /** The first claim of a kind that may be said now, for one sale and SKU if named; null if there is none. */
  claim(kind, { sale, sku } = {}) {
    const fits = (claim) =>
      claim.claim === kind && (!sale || claim.sale_id === sale) && (!sku || claim.sku_id === sku);
    return this.claims.find(fits) ?? null;
  }

  /** Connect, and stay connected until `stop`. The server need not be up yet. */
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

  /** Connect anew with another token. */
  useToken(token) {
    this.#token = token;
    this.#refused = false;
    this.#disconnect();
    if (this.#wanted) this.#onVisibility();
  }

  /** Disconnect and remove every timer and listener. */
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
      this.#changed(); // timers slept: values that expired meanwhile go now
    } else {
      this.#disconnect();
      clearTimeout(this.#timer);
    }
  };

  /** OBS reports when the source is switched off in its scene. The page itself stays "visible" there. */
  #onSourceVisible = (event) => {
    this.#sourceVisible = event.detail?.visible !== false;
    this.#onVisibility();
  };

  /** The page is left, and may come back from the browser's cache as it is. */
  #onPageHide = () => this.#disconnect();

  #onOnline = () => this.#stream?.wake();

  // -- connection -----------------------------------------------------------------------------------------------------
  #connect() {
    if (this.#stream !== null) return;
    // Callbacks of a stream that was given up are ignored.
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

  #connected({ online, refused, problem = null }) {
    this.counts.connections += online && !this.#online;
    this.#online = online;
    this.#refused = refused;
    this.#refusal = problem;
    this.#changed();
  }

  #headers() {
    const headers = {};
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    // The server may leave out only a document that is still shown, under workers that are up.
    const isUsual = this.#pipeline === null || this.#pipeline.state === "up";
    if (this.overlay !== null && isUsual) headers["Last-Event-ID"] = `${this.#last.epoch}-${this.#last.rev}`;
    return headers;
  }

  // -- documents ------------------------------------------------------------------------------------------------------
  /** @param {number} ageMs  since its receipt: another page may have received it first */
  #take(event, ageMs) {
    if (event.type !== "snapshot" && event.type !== "fresh") return;
    this.counts.bytes += event.data.length; // as read: the connection may carry it compressed
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
    this.#pipeline = pipelineOf(message.pipeline);
    if (event.type === "fresh") this.#freshen(message.fresh);
    else if (message.overlay !== null && message.overlay !== undefined) this.#replace(message.overlay);
    else if (this.#serverState === "unreadable") this.#drop();
    else if (this.#serverState === "missing") this.#withdrawn = true;
    this.#changed(true);
  }

  #replace(overlay) {
    if (!isOverlay(overlay) || overlay.room_id !== this.#room) {
      this.#drop();
      return;
    }
    this.#broken = false;
    // A fresh document is replaced only by a newer one: two servers may differ by a moment. A document that is no
    // longer fresh is replaced by any fresh one, even by the first of a new count.
    const shown = this.overlay;
    if (shown !== null && !isNewer(overlay, shown)) {
      this.counts.older += 1;
      return;
    }
    this.#last = overlay;
    this.#withdrawn = false;
    this.counts.snapshots += 1;
    this.dispatchEvent(new CustomEvent("snapshot", { detail: overlay }));
  }

  /** The document sent last still holds, and only its times are others. */
  #freshen(fresh) {
    const last = this.#last;
    if (last === null || !isFresh(fresh) || fresh.epoch !== last.epoch || fresh.rev <= last.rev) return;
    const { claims: times, ...head } = fresh;
    if (times.length !== last.claims.length) return;
    const claims = last.claims.map((claim, place) => {
      const [id, as_of_ms, valid_until_ms, value] = times[place];
      return { ...claim, id, as_of_ms, valid_until_ms, value };
    });
    this.#last = { ...last, ...head, claims };
    this.counts.freshened += 1;
    this.dispatchEvent(new CustomEvent("snapshot", { detail: this.#last }));
  }

  /** After a torn document nothing may be said: the earlier one is no longer the truth either. */
  #drop() {
    this.counts.unreadable += 1;
    this.#broken = true;
    this.#withdrawn = true;
  }

  // -- time -----------------------------------------------------------------------------------------------------------
  /** Fires "change" unless no observable value changed, and sets a timer for the next expiry. */
  #changed(always = false) {
    const says = `${this.state} ${this.#online} ${this.pipeline?.state} ${this.claims.length}`;
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

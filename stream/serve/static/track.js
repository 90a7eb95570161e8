// The course of one room's session: the server's history, and what this page has seen since. Bounded.
//
// Counts are of the session so far. A moment is known if a point before it holds for it: a point of the history holds
// until the next one, a document that this page saw holds for `HOLDS_MS`.

import { askForHistory, placeAt } from "./room-history.js";

/** Points of what this page saw itself are this far apart. */
const STEP_MS = 10_000;
const HOLDS_MS = 30_000;
const WRITTEN_WITHIN_STEPS = 2;
/** Six hours. */
const MAX_SEEN = 2_160;
const ASK_EVERY_MS = 60_000;
const COLUMNS = ["watching", "gmv_minor", "orders", "orders_paid"];

export class Track extends EventTarget {
  #room;
  #token;
  #kept = emptyPoints();
  #seen = emptyPoints();
  #timer = 0;
  #stopped = false;
  #before = null;
  #beforeOf = null;
  #askedMs = -Infinity;

  /** Times of which the history knows nothing: `[[fromMs, toMs]]`. */
  #gaps = [];

  /** When the session began; null: not known. `endedMs`: when it ended, by the history. `marks`: what happened. */
  sessionMs = null;
  endedMs = null;
  marks = [];
  sessions = [];
  currency = null;

  /** Fires "change" when the history came. @param {{room: string, token: string}} options */
  constructor({ room, token }) {
    super();
    this.#room = room;
    this.#token = token;
  }

  /** Asks for the history now and once a minute. */
  start() {
    this.#ask();
    return this;
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Takes a document that is newer than the last. */
  take(overlay) {
    const { orders, money, watching_now: watching } = overlay.totals;
    const last = this.#seen.at_ms.length - 1;
    const isAnother = last >= 0 && orders.placed < this.#seen.orders[last];
    const began = overlay.session?.began_at_ms ?? null;
    if (isAnother || (began !== null && this.sessionMs !== null && began !== this.sessionMs)) this.#forget(began);
    this.sessionMs ??= began;
    this.currency ??= leadingCurrency(money);
    const gmv = money.find((each) => each.currency === this.currency)?.gmv_paid_minor ?? 0;
    if (last >= 0 && overlay.as_of_ms <= this.#seen.at_ms.at(-1)) return;
    // Of each step its first document is kept for good, and always the newest one.
    const { at_ms: times } = this.#seen;
    if (times.length > 1 && Math.floor(times.at(-1) / STEP_MS) === Math.floor(times.at(-2) / STEP_MS)) pop(this.#seen);
    push(this.#seen, overlay.as_of_ms, { watching, gmv_minor: gmv, orders: orders.placed, orders_paid: orders.paid });
    if (times.length > MAX_SEEN) shift(this.#seen, 60);
  }

  /** The value of a column at a moment; null: not known. */
  at(column, atMs) {
    const seen = placeAt(this.#seen.at_ms, atMs);
    if (seen >= 0 && atMs - this.#seen.at_ms[seen] <= HOLDS_MS) return this.#seen[column][seen];
    const kept = placeAt(this.#kept.at_ms, atMs);
    if (this.#gaps.some(([from, to]) => from < atMs && atMs < to)) return null;
    if (kept >= 0 && atMs <= this.#keptUntilMs) return this.#kept[column][kept];
    return this.sessionMs !== null && atMs <= this.sessionMs ? 0 : null;
  }

  /** How much a count grew between two moments; null: not known. */
  between(column, fromMs, toMs) {
    const from = this.at(column, fromMs);
    const to = this.at(column, toMs);
    return from === null || to === null || to < from ? null : to - from;
  }

  /** The most people at one moment: `{ value, atMs, sinceMs }`; `sinceMs`: from when on it is known, null: all of it. */
  get peak() {
    let found = null;
    for (const points of [this.#kept, this.#seen]) {
      points.watching.forEach((value, place) => {
        if (found === null || value > found.value) found = { value, atMs: points.at_ms[place] };
      });
    }
    if (found === null) return null;
    return { ...found, sinceMs: this.#kept.at_ms.length ? null : this.#seen.at_ms[0] };
  }

  /** From when on the course is known. */
  get firstMs() {
    if (this.#kept.at_ms.length) return this.sessionMs ?? this.#kept.at_ms[0];
    return this.#seen.at_ms[0] ?? null;
  }

  get lastMs() {
    return Math.max(this.#seen.at_ms.at(-1) ?? -Infinity, this.#kept.at_ms.at(-1) ?? -Infinity);
  }

  /** What a count grew by in each step from `fromMs` on, whole steps until `toMs`; null where it is not known. */
  steps(column, fromMs, toMs, stepMs) {
    const grown = [];
    for (let at = fromMs; at + stepMs <= toMs; at += stepMs) grown.push(this.between(column, at, at + stepMs));
    return grown;
  }

  /** The room's show before this one, as a `Track` of its own; null: none is kept. */
  async before() {
    const place = this.sessions.findIndex((each) => each.session_ms === this.sessionMs);
    const session = place > 0 ? this.sessions[place - 1] : null;
    if (session === null) return null;
    if (this.#beforeOf === session.session_ms) return this.#before;
    const { history, error } = await askForHistory({ room: this.#room, token: this.#token, session: session.session_ms });
    if (error === "offline") return null;
    this.#beforeOf = session.session_ms;
    this.#before = history === null ? null : new Track({ room: this.#room, token: this.#token }).of(history);
    return this.#before;
  }

  /** This, holding a history. */
  of(history) {
    if (this.sessionMs !== null && this.sessionMs !== history.session_ms) this.#forget(history.session_ms);
    this.sessionMs = history.session_ms;
    this.endedMs = history.ended_ms ?? null;
    this.sessions = history.sessions;
    this.marks = history.marks.filter((mark) => Number.isSafeInteger(mark?.at_ms));
    this.#gaps = this.marks.filter((mark) => mark.kind === "gap").map((mark) => [mark.at_ms, mark.until_ms ?? Infinity]);
    this.currency = history.currency ?? this.currency;
    this.#kept = Object.fromEntries(["at_ms", ...COLUMNS].map((name) => [name, history.points[name]]));
    return this;
  }

  /** A session that ended, or goes on and is heard of by documents: until when the kept points hold. */
  get #keptUntilMs() {
    if (this.endedMs !== null) return Infinity;
    return Math.max(this.#askedMs, this.#kept.at_ms.at(-1) ?? -Infinity);
  }

  async #ask() {
    const { history, nowMs } = await askForHistory({ room: this.#room, token: this.#token });
    if (this.#stopped) return;
    if (history !== null) {
      this.of(history);
      // A point is made at the end of its step and is on its way for a moment.
      this.#askedMs = nowMs - WRITTEN_WITHIN_STEPS * (history.step_ms ?? STEP_MS);
    }
    this.dispatchEvent(new Event("change"));
    this.#timer = setTimeout(() => this.#ask(), ASK_EVERY_MS);
  }

  #forget(sessionMs) {
    this.#kept = emptyPoints();
    this.#seen = emptyPoints();
    this.sessionMs = sessionMs;
    this.endedMs = null;
    this.marks = [];
    this.#gaps = [];
    this.currency = null;
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#ask(), 0);
  }
}

/** The currency with the most paid minor units; null: there is none. */
export function leadingCurrency(money) {
  let found = null;
  for (const each of money) if (found === null || each.gmv_paid_minor > found.gmv_paid_minor) found = each;
  return found?.currency ?? null;
}

function emptyPoints() {
  return Object.fromEntries(["at_ms", ...COLUMNS].map((name) => [name, []]));
}

function push(points, atMs, values) {
  points.at_ms.push(atMs);
  for (const name of COLUMNS) points[name].push(values[name]);
}

function pop(points) {
  for (const column of Object.values(points)) column.pop();
}

function shift(points, count) {
  for (const column of Object.values(points)) column.splice(0, count);
}

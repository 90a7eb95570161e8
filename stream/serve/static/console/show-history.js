// The history that the server keeps of a room: this show from its beginning, and the show before it.

import { askForHistory, placeAt } from "../room-history.js";

/** Nobody asks more often than this; who asks too soon is answered then. */
const APART_MS = 15_000;
/** A session that begins so close to another moment is the same one. */
const SAME_SHOW_MS = 60_000;

/**
 * @typedef {object} Show
 * @property {number} session_ms  its beginning
 * @property {string|null} currency
 * @property {Record<string, (number|string|null)[]>} points  columns; `at_ms` has the moments, and each point holds until
 *   the next one
 * @property {object[]} marks
 * @property {object[]} sessions
 */

/** Fires "change" when more is known. */
export class ShowHistory extends EventTarget {
  /** @type {Show|null} */
  show = null;
  /** @type {Show|null} the show before it */
  before = null;
  #room;
  #tokenOf;
  #askedAt = -Infinity;
  #timer = 0;

  /** @param {{roomId: string, tokenOf: () => string}} options */
  constructor({ roomId, tokenOf }) {
    super();
    this.#room = roomId;
    this.#tokenOf = tokenOf;
  }

  /** Asks the server, now or as soon as it may be asked again. */
  ask() {
    if (this.#timer) return;
    const inMs = Math.max(0, this.#askedAt + APART_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#askedAt = performance.now();
      this.#ask();
    }, inMs);
  }

  /** Whether what is known is of the session that a document is of. A new show has no history in its first seconds. */
  isOf(overlay) {
    const beganMs = overlay?.session?.began_at_ms ?? null;
    return this.show !== null && (beganMs === null || Math.abs(beganMs - this.show.session_ms) <= SAME_SHOW_MS);
  }

  async #ask() {
    const show = await this.#get();
    if (show === null) return;
    const earlier = show.sessions.filter(({ session_ms }) => session_ms < show.session_ms).at(-1) ?? null;
    if (earlier !== null && this.before?.session_ms !== earlier.session_ms) {
      this.before = await this.#get(earlier.session_ms);
    }
    this.show = show;
    this.dispatchEvent(new Event("change"));
  }

  async #get(session = null) {
    return (await askForHistory({ room: this.#room, token: this.#tokenOf(), session })).history;
  }
}

/** What the show before had by the same time after its beginning; null: it is not known. */
export function thenValue(before, show, name, atMs) {
  const column = before?.points[name];
  if (column === undefined || show === null) return null;
  const sinceMs = before.session_ms + (atMs - show.session_ms);
  if (sinceMs > (before.ended_ms ?? before.to_ms ?? before.points.at_ms.at(-1) ?? 0)) return null;
  const place = placeAt(before.points.at_ms, sinceMs);
  return place < 0 ? null : column[place];
}

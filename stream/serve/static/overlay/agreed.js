// Pages of one browser that show the same room, such as several sources of one scene, agree on the leader that they keep.

import { KEPT_MS } from "./subject.js";

const NAME = "snapup-subjects";
const ROOMS_MAX = 20;
/** A page says again that it is there. */
const AGAIN_MS = 5_000;

/** Reads and writes what pages of this browser chose for a room. Without storage a page chooses alone. */
export class Agreed {
  #room;
  #written = { seen_ms: -Infinity };

  constructor(room) {
    this.#room = room;
  }

  /** What a page chose and still showed a moment ago: `{ sale_id, sku_id, since_ms }`; null: none did. */
  read(nowMs) {
    const found = all()[this.#room];
    const isRecent = Number.isFinite(found?.seen_ms) && Math.abs(nowMs - found.seen_ms) <= KEPT_MS;
    const isWhole = isRecent && Number.isFinite(found.since_ms) && found.since_ms <= nowMs + KEPT_MS;
    return isWhole ? { sale_id: found.sale_id, sku_id: found.sku_id, since_ms: found.since_ms } : null;
  }

  write(kept) {
    const last = this.#written;
    if (last.since_ms === kept.since_ms && last.sku_id === kept.sku_id && kept.seen_ms - last.seen_ms < AGAIN_MS) return;
    this.#written = kept;
    const rooms = Object.entries({ ...all(), [this.#room]: kept }).sort(([, a], [, b]) => b.seen_ms - a.seen_ms);
    try {
      localStorage.setItem(NAME, JSON.stringify(Object.fromEntries(rooms.slice(0, ROOMS_MAX))));
    } catch {
      // A browser without storage, or with a full one.
    }
  }
}

function all() {
  try {
    const found = JSON.parse(localStorage.getItem(NAME));
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {};
  }
}

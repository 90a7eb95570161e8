// Asks the server for rooms on demand: for the rooms page and for the search box of a room.

import { refusalOf } from "../refusals.js";

/**
 * The answer to one question: `{ rooms, matching, totals, complete, onlyRoom, nowMs, error }`. `onlyRoom`: the one room
 * that the token opens. `error`: null, or a name among the states of a room; "refused" has a
 * `refusal` like that of `SnapupRoom`.
 */
export async function askForRooms({ token, q = "", sort = "", limit = 100, offset = 0, trend = false, signal }) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (offset) query.set("offset", String(offset));
  if (trend) query.set("trend", "1");
  if (q) query.set("q", q);
  if (sort) query.set("sort", sort);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch(new URL(`../../v1/rooms?${query}`, import.meta.url), { headers, cache: "no-store", signal });
    if (response.status === 401 || response.status === 403) {
      return { rooms: null, error: "refused", refusal: await refusalOf(response) };
    }
    if (response.status === 503) return { rooms: null, error: "redis_away" };
    if (!response.ok) return { rooms: null, error: "offline" };
    const serverMs = Number(response.headers.get("Snapup-Time-Ms"));
    const answer = await response.json();
    const rooms = Array.isArray(answer?.rooms) ? answer.rooms.filter((room) => typeof room?.room_id === "string") : [];
    return {
      rooms,
      matching: answer?.matching ?? rooms.length,
      totals: answer?.totals ?? null,
      complete: answer?.complete !== false,
      onlyRoom: typeof answer?.only_room === "string" ? answer.only_room : null,
      nowMs: serverMs > 0 ? serverMs : Date.now(),
      error: null,
    };
  } catch {
    return { rooms: null, error: "offline" };
  }
}

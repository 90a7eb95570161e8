// Asks the server for rooms on demand: for the rooms page and for the search box of a room.

import { problemOf } from "../stream-connection.js";

const REFUSALS = {
  "urn:snapup:problem:token_missing": "needed",
  "urn:snapup:problem:token_expired": "expired",
  "urn:snapup:problem:token_other_room": "other_room",
};

/** The answer to one question: `{ rooms, error }`; with the error "refused" a `refusal` like that of `SnapupRoom`. */
export async function askForRooms({ token, q = "", sort = "", limit = 100, signal }) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (q) query.set("q", q);
  if (sort) query.set("sort", sort);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch(new URL(`../../v1/rooms?${query}`, import.meta.url), { headers, cache: "no-store", signal });
    if (response.status === 401 || response.status === 403) {
      const refusal = REFUSALS[await problemOf(response)] ?? "invalid";
      return { rooms: null, error: "refused", refusal };
    }
    if (response.status === 503) return { rooms: null, error: "redis_away" };
    if (!response.ok) return { rooms: null, error: "offline" };
    const serverMs = Number(response.headers.get("Snapup-Time-Ms"));
    const answer = await response.json();
    const rooms = Array.isArray(answer?.rooms) ? answer.rooms.filter((room) => typeof room?.room_id === "string") : [];
    return { rooms, matching: answer?.matching ?? rooms.length, nowMs: serverMs > 0 ? serverMs : Date.now(), error: null };
  } catch {
    return { rooms: null, error: "offline" };
  }
}

// Asks the server for rooms on demand: for the rooms page and for the search box of a room.

/** The answer to one question: `{ rooms, error }`. */
export async function askForRooms({ token, q = "", sort = "", limit = 100, signal }) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (q) query.set("q", q);
  if (sort) query.set("sort", sort);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch(new URL(`../../v1/rooms?${query}`, import.meta.url), { headers, cache: "no-store", signal });
    if (response.status === 401 || response.status === 403) return { rooms: null, error: "refused" };
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

// Asks the server for the history of a room's session: columns of points, marks, and which sessions are kept.

import { refusalOf } from "./refusals.js";
import { isRefusal } from "./stream-connection.js";

const TIMEOUT_MS = 10_000;
/** Far more than 24 hours of the server's steps. */
const POINTS_MAX = 20_000;

/**
 * `{ history, nowMs, error }`. `nowMs`: the server's clock as it answered. `error`: null, "none" (this server or this
 * room has no history, or not of that session), "refused" (then with `refusal`), or "offline". Never throws.
 */
export async function askForHistory({ room, token, session = null, sinceMs = null, base = new URL("../", import.meta.url) }) {
  const url = new URL(`v1/rooms/${encodeURIComponent(room)}/history`, base);
  if (session !== null) url.searchParams.set("session", String(session));
  if (sinceMs !== null) url.searchParams.set("since_ms", String(sinceMs));
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (isRefusal(response)) return { history: null, error: "refused", refusal: await refusalOf(response) };
    if (response.status === 404 || response.status === 400) return { history: null, error: "none" };
    if (!response.ok) return { history: null, error: "offline" };
    const history = await response.json();
    const nowMs = Number(response.headers.get("Snapup-Time-Ms")) || Date.now();
    return isHistory(history) ? { history, nowMs, error: null } : { history: null, error: "none" };
  } catch {
    return { history: null, error: "offline" };
  }
}

const NEEDED = ["at_ms", "watching", "gmv_minor", "orders", "orders_paid"];

function isHistory(value) {
  const points = value?.points;
  if (!Number.isSafeInteger(value?.session_ms) || !Array.isArray(value.marks) || !Array.isArray(value.sessions)) return false;
  if (typeof points !== "object" || points === null || !NEEDED.every((name) => Array.isArray(points[name]))) return false;
  const { length } = points.at_ms;
  if (length > POINTS_MAX || !NEEDED.every((name) => points[name].every(Number.isSafeInteger))) return false;
  return Object.values(points).every((column) => Array.isArray(column) && column.length === length);
}

/** The place of the last of `times` that is not later than `atMs`; −1: all are later. */
export function placeAt(times, atMs) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= atMs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

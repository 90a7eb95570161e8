// Why no figures come, in one word and in a sentence for a host: the server, Redis, the workers, the senders, or a token.

import { duration, fill, timeOfDay } from "../text.js";

/**
 * @param {import("../snapup-room.js").SnapupRoom} room
 * @returns {"connecting" | "server" | "redis" | "token" | "unreadable" | "pipeline" | "partly" | "silent" | "ended" |
 *   "quiet" | null}  null: the figures are live. "quiet": the workers or the senders; the server does not say which
 */
export function reasonOf(room) {
  const { state, pipeline, last } = room;
  if (state === "live") return room.online ? null : "server";
  const plain = { connecting: "connecting", offline: "server", redis_away: "redis", refused: "token", unreadable: "unreadable" }[state];
  if (plain !== undefined) return plain;
  if (pipeline?.state === "down") return "pipeline";
  if (pipeline?.state === "partly") return "partly";
  if (Number.isInteger(last?.session?.ended_at_ms)) return "ended";
  return pipeline === null ? "quiet" : "silent";
}

/** A sentence that says why. "" while the figures are live. */
export function reasonText(room, strings) {
  const reason = reasonOf(room);
  const words = strings.console;
  if (reason === null) return "";
  if (reason === "token") return words.refusals[room.refusal];
  if (reason === "pipeline") {
    const heardMs = room.pipeline.heard_ms ?? null;
    if (heardMs === null) return words.reasons.pipelineNever;
    return fill(words.reasons.pipeline, { age: duration(room.now() - heardMs, strings) });
  }
  if (reason === "ended") return fill(words.reasons.ended, { time: timeOfDay(room.last.session.ended_at_ms) });
  return words.reasons[reason];
}

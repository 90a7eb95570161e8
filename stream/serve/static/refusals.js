// Why a server refuses an answer, by its problem's type.

import { problemOf } from "./stream-connection.js";

const REFUSALS = {
  "urn:snapup:problem:token_missing": "needed",
  "urn:snapup:problem:token_expired": "expired",
  "urn:snapup:problem:token_other_room": "other_room",
};

/** "needed", "expired", "other_room" or "invalid", like `SnapupRoom.refusal`. */
export async function refusalOf(response) {
  return REFUSALS[await problemOf(response)] ?? "invalid";
}

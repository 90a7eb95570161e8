// How a reading is said: its figure with its precision, who says it, and how long ago.

import { nameOf } from "../../overlay/subject.js";
import { clean, fill } from "../../text.js";

const SECOND_MS = 1_000;
const RECENT_MS = 10 * SECOND_MS;
const MINUTE_MS = 60 * SECOND_MS;
/** Up to here an age is said in seconds. */
const IN_SECONDS_MS = 2 * MINUTE_MS;

/** A figure with the sign of its precision: `12,345`, `≈12,000`, `12,000+`. A word that is not known says the least. */
export function figure({ precision }, text) {
  if (precision === "exact") return text;
  return precision === "at_least" ? `${text}+` : `≈${text}`;
}

/** What people call a platform: as the address says, else as the language does, else its own word. */
export function platform(source, words, params = null) {
  if (params?.names.has(source)) return nameOf(source, params);
  return Object.hasOwn(words.names, source) ? words.names[source] : clean(source, 40);
}

/** `12 s ago`; rounded down, like a clock. */
export function ago(ageMs, words, strings) {
  const age = Math.max(0, ageMs);
  const [unit, size] = age < IN_SECONDS_MS ? [strings.seconds, SECOND_MS] : [strings.minutes, MINUTE_MS];
  return fill(words.ago, { n: fill(unit, { n: Math.floor(age / size) }) });
}

/** The same for viewers: under ten seconds it stands still. */
export function calmAgo(ageMs, words, strings) {
  if (ageMs >= RECENT_MS) return ago(ageMs, words, strings);
  return fill(words.recently, { n: fill(strings.seconds, { n: RECENT_MS / SECOND_MS }) });
}

/** The ms until `calmAgo` says something else. */
export function calmAgoChangesIn(ageMs) {
  if (ageMs < RECENT_MS) return RECENT_MS - ageMs;
  const size = ageMs < IN_SECONDS_MS ? SECOND_MS : MINUTE_MS;
  return size - (ageMs % size);
}

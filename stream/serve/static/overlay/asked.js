// What an overlay page asks of the event stream: the subject that its address names, and the sections that widgets show.

import { MECHANICS } from "../mechanics/mechanics.js";

/** The same for all widgets: sources of one scene with one subject share one stream. Claims bring their sales along. */
const PARTS = ["claims", "feed", ...MECHANICS.map(({ name }) => name)];
/** These widgets show all products of a room. */
const OF_ALL = new Set(["top"]);

/** `{ sale, sku, parts }` for `SnapupRoom`. */
export function askedOf({ sale, sku, widgets }) {
  return widgets.some(({ name }) => OF_ALL.has(name)) ? { parts: PARTS } : { sale, sku, parts: PARTS };
}

// The levels of urgency in their one order, which is that of `stream/contract/levels.py`.

/** The levels of a sale that sells, from quiet to urgent. */
export const RAMP = ["calm", "warming", "brisk", "rush", "snap_up", "last_call"];

/** All levels, the one that leads first. */
export const LEVELS = [...[...RAMP].reverse(), "all_taken", "sold_out", "ended", "unknown"];

/** Where a level stands among them; a word that only a newer Snapup knows stands last. */
export function placeOfLevel(level) {
  const place = LEVELS.indexOf(level);
  return place < 0 ? LEVELS.length : place;
}

// What pages know of gifts before anything of them is shown: shape, words, places, sample. Touches no page.

import { count, int, list, maybe, shape, str } from "../../shapes.js";
import { WORDS } from "./words.js";

const PEOPLE = ["l***", "小***", "M***", "陈***"];

export const gifts = {
  name: "gifts",
  isSection: shape({
    coins: int,
    gifts: int,
    givers: count,
    top: list(shape({ who: str, coins: int, gifts: int })),
    combos: list(shape({ who: str, gift_id: str, count: int, at_ms: int })),
    uncredited: maybe(int),
  }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { gifts: "top-end", combo: "bottom-start" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room. */
  sample: (step, nowMs) => ({
    coins: 128_400 + step * 188,
    gifts: 9_120 + step * 3,
    givers: { value: 1_204, method: "exact" },
    top: [
      { who: PEOPLE[1], coins: 29_990 + step * 188, gifts: 41 },
      { who: PEOPLE[0], coins: 18_800, gifts: 300 },
      { who: PEOPLE[3], coins: 9_940, gifts: 97 },
    ],
    combos: [{ who: PEOPLE[step % 8 < 5 ? 1 : 2], gift_id: step % 8 < 5 ? "koi" : "rose", count: 1 + (step % 8) * 3, at_ms: nowMs }],
  }),
};

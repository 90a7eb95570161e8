// What pages know of shares before anything of them is shown: shape, words, places, sample. Touches no page.

import { count, int, list, maybe, shape, str } from "../../shapes.js";
import { WORDS } from "./words.js";

export const shares = {
  name: "shares",
  isSection: shape({
    shares: int,
    sharers: count,
    channels: list(shape({ channel: str, shares: int })),
    not_said: maybe(int),
    other: maybe(int),
  }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { shares: "top-end" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room. */
  sample: (step) => ({
    shares: 1_300 + step * 4,
    sharers: { value: 980 + step, method: "exact" },
    channels: [
      { channel: "wechat", shares: 760 + step * 3 },
      { channel: "link", shares: 301 + step },
      { channel: "weibo", shares: 120 },
    ],
    not_said: 84,
    other: 35,
  }),
};

// What pages know of coupons before anything of them is shown: shape, words, places, sample. Touches no page.

import { int, list, maybe, shape, str } from "../../shapes.js";
import { WORDS } from "./words.js";

export const coupons = {
  name: "coupons",
  isSection: shape({
    coupons: list(
      shape({
        coupon_id: str,
        title: maybe(str),
        offered: maybe(int),
        left: maybe(int),
        overdrawn: maybe(int),
        handed_out: int,
        taken: int,
        used: int,
        returned: int,
        expired: int,
        refused: int,
        per_user_limit: maybe(int),
        starts_at_ms: maybe(int),
        ends_at_ms: maybe(int),
        valid_s: maybe(int),
      }),
    ),
    unmatched: maybe(int),
    beyond: maybe(int),
  }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { coupons: "bottom-end" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room. */
  sample: (step, nowMs) => {
    const handedOut = 240 + Math.min(step, 40) * 6;
    const used = 90 + step;
    return {
      coupons: [
        {
          coupon_id: "rain-20",
          title: "满 199 减 20",
          offered: 500,
          left: 500 - handedOut,
          overdrawn: 0,
          handed_out: handedOut,
          taken: handedOut - used - 36,
          used,
          returned: 4,
          expired: 32,
          refused: 17,
          per_user_limit: 1,
          starts_at_ms: nowMs - 60_000,
          ends_at_ms: nowMs + 600_000,
          valid_s: 1_800,
        },
        {
          coupon_id: "ship",
          title: "Free shipping",
          offered: 120,
          left: 0,
          overdrawn: 3,
          handed_out: 123,
          taken: 80,
          used: 41,
          returned: 2,
          expired: 0,
          refused: 0,
          per_user_limit: null,
          starts_at_ms: nowMs - 900_000,
          ends_at_ms: null,
          valid_s: null,
        },
      ],
      unmatched: 0,
      beyond: 0,
    };
  },
};

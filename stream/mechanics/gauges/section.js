// What pages know of gauges before anything of them is shown: shape, words, places, sample. Touches no page.

import { int, list, maybe, shape, str } from "../../shapes.js";
import { WORDS } from "./words.js";

const READING = { value: int, at_ms: int, precision: str };
const gauge = maybe(shape({ peak: shape(READING), latest: maybe(shape(READING)) }));

export const gauges = {
  name: "gauges",
  isSection: shape({
    known_for_ms: int,
    sources: list(
      shape({ source: str, events: int, viewers_now: gauge, viewers_total: gauge, likes_total: gauge, popularity: gauge }),
    ),
    viewers_now: maybe(shape({ ...READING, source: str })),
    beyond: maybe(int),
  }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { viewers: "top-end", totals: "top-end" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room. */
  sample: (step, nowMs) => {
    // Said once in eight steps.
    const atMs = nowMs - (step % 8) * 2_000;
    const read = (value, precision = "exact", at_ms = atMs) => ({ value, at_ms, precision });
    const rising = (latest) => ({ peak: latest, latest });
    const now = read(12_380 + ((step * 37) % 300));
    return {
      known_for_ms: 120_000,
      sources: [
        {
          source: "douyin",
          events: 240 + step,
          viewers_now: { peak: read(31_000, "at_least", nowMs - 900_000), latest: read(28_000, "at_least") },
          viewers_total: rising(read(264_000, "at_least")),
          likes_total: rising(read(3_920_000, "at_least")),
        },
        {
          source: "tiktok",
          events: 410 + step,
          viewers_now: { peak: read(18_204, "exact", nowMs - 600_000), latest: now },
          viewers_total: rising(read(52_431 + step * 3)),
          likes_total: rising(read(1_204_118 + step * 61)),
        },
        {
          source: "bilibili",
          events: 12,
          popularity: { peak: read(88_400, "rounded", nowMs - 400_000) },
        },
      ],
      viewers_now: { value: 28_000, source: "douyin", at_ms: atMs, precision: "at_least" },
    };
  },
};

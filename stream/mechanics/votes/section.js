// What pages know of votes before anything of them is shown: shape, words, place, sample. Touches no page.

import { bool, int, list, maybe, shape, str } from "../../shapes.js";
import { WORDS } from "./words.js";

/** The sample's poll closes after so many steps of two seconds, with a tie; after as many again it begins anew. */
const STEPS = 15;
const STEP_MS = 2_000;

export const votes = {
  name: "votes",
  isSection: shape({
    polls: list(
      shape({
        poll_id: str,
        question: str,
        status: str,
        voters: int,
        options: list(shape({ option_id: str, text: str, votes: int, leads: bool })),
        ends_at_ms: maybe(int),
        other: maybe(int),
      }),
    ),
    more: maybe(int),
    waiting: maybe(int),
    unheard: maybe(int),
    beyond: maybe(int),
    unknown: maybe(int),
  }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { poll: "bottom-end" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room. */
  sample: (step, nowMs) => {
    const [at, before] = [step % (2 * STEPS), Math.min(step % (2 * STEPS), STEPS)];
    const counts = [300 + before * 12, 240 + before * 16, 96 + before * 2];
    const most = Math.max(...counts);
    const option = (place, option_id, text) => ({ option_id, text, votes: counts[place], leads: counts[place] === most });
    return {
      polls: [
        {
          poll_id: "poll-2",
          question: "下一件看哪个颜色? Which colour next?",
          status: at < STEPS ? "open" : "closed",
          voters: counts[0] + counts[1] + counts[2],
          options: [option(0, "camel", "驼色 Camel"), option(1, "navy", "藏青 Navy"), option(2, "grey", "灰色 Grey")],
          ends_at_ms: nowMs + (STEPS - at) * STEP_MS,
        },
      ],
      unknown: 3,
    };
  },
};

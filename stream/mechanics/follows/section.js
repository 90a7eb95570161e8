// What pages know of follows before anything of them is shown: shape, words, place, sample. Touches no page.

import { int, maybe, shape } from "../../shapes.js";
import { WORDS } from "./words.js";

export const follows = {
  name: "follows",
  isSection: shape({ gained: int, lost: int, net: int, beyond: maybe(int), unknown: maybe(int) }),
  /** Widget → where it stands unless the address says otherwise. */
  homes: { followers: "top-start" },
  words: WORDS,
  /** The console has a panel of our own: `panel.js`. */
  panel: true,
  /** The section of one step of the builder's sample room. */
  sample: (step) => {
    const [gained, lost] = [318 + step * 2, 24 + Math.floor(step / 3)];
    return { gained, lost, net: gained - lost };
  },
};

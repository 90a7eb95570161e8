// What viewers see of follows: how many began to follow in this session.

import { h, svg } from "../../dom.js";
import { roll } from "../../overlay/motion.js";
import { Widget } from "../../overlay/widget.js";
import { compact, pieces } from "../../text.js";

export const styles = new URL("widget.css", import.meta.url).href;

const PERSON = "M9 12a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm-8 9c0-4 3.4-7 8-7s8 3 8 7H1ZM19 5v3h3v2h-3v3h-2v-3h-3V8h3V5h2Z";

export class FollowersWidget extends Widget {
  #figure;

  view() {
    const section = this.context.room.overlay?.follows;
    if (!section || section.gained <= 0) return null;
    const words = section.beyond > 0 ? "least" : section.gained === 1 ? "one" : "more";
    return { key: words, words, n: section.gained };
  }

  build(view) {
    const words = this.context.strings.mechanics.follows;
    this.#figure = h("span.figure");
    const said = pieces(words[view.words].replace("+{n}", "{n}"), { n: this.#figure });
    this.append(
      h(
        "div.plate",
        {},
        h(
          "div.says",
          {},
          svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: PERSON })),
          ...said.map((piece) => (typeof piece === "string" ? h("span", {}, piece) : piece)),
        ),
      ),
    );
  }

  paint(view, before) {
    const direction = before === null || before.n === view.n ? null : before.n < view.n ? "up" : "down";
    roll(this.#figure, `+${compact(view.n, this.context.strings)}`, direction);
  }
}

export const widgets = { followers: FollowersWidget };

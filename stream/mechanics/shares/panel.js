// What a host sees of shares: the sums, and every channel that is counted by name.

import { foreign, h, setText } from "../../dom.js";
import { clean, grouped } from "../../text.js";
import { keyed } from "../../console/keyed.js";

const SUMS = ["shares", "sharers", "not_said", "other"];
/** A longer name would push its figure out of the panel; all of it is in the title. */
const NAME_CHARS = 16;

/** @returns {{ root: Element, render: (section: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.shares;
  const sums = SUMS.map((name) => [name, h("dd", {}, "–")]);
  const body = h("tbody");
  const heads = [words.channel, words.figures.shares].map((name) => h("th", { scope: "col" }, name));
  const table = h("table.money", {}, h("thead", {}, h("tr", {}, ...heads)), body);
  const root = h(
    "div.beside",
    {},
    h("dl.figures", {}, ...sums.map(([name, value]) => h("div", { "data-figure": name }, h("dt", {}, words.figures[name]), value))),
    table,
  );
  return {
    root,
    render(section) {
      for (const [name, value] of sums) {
        const figure = section[name] ?? 0; // `not_said` and `other` are absent where there are none
        const about = typeof figure === "number" || figure.method === "exact" ? "" : "≈";
        setText(value, `${about}${grouped(typeof figure === "number" ? figure : figure.value)}`);
      }
      keyed(
        body,
        section.channels.map((each, place) => ({ ...each, place })),
        ({ place }) => String(place),
        () => h("tr", {}, h("th", { scope: "row" }), h("td")),
        (row, { channel, shares }) => {
          const [name, figure] = row.children;
          const whole = clean(channel, 128);
          if (name.title !== whole) {
            name.title = whole;
            name.replaceChildren(foreign(clean(channel, NAME_CHARS)));
          }
          setText(figure, grouped(shares));
        },
      );
      table.hidden = section.channels.length === 0;
    },
  };
}

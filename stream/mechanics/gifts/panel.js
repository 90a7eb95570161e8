// What a host sees of gifts: the sums, who gave most, and the combos that go on.

import { foreign, h, setText } from "../../dom.js";
import { clean, grouped } from "../../text.js";
import { keyed } from "../../console/keyed.js";

const SUMS = ["coins", "gifts", "givers"];

/** @returns {{ root: Element, render: (section: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.gifts;
  const sums = SUMS.map((name) => [name, h("dd", {}, "–")]);
  const [top, combos] = [h("tbody"), h("tbody")];
  const heads = (...names) => h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name))));
  const root = h(
    "div.beside",
    {},
    h("dl.figures", {}, ...sums.map(([name, value]) => h("div", { "data-figure": name }, h("dt", {}, words.figures[name]), value))),
    h("table.money", {}, heads(words.giver, words.figures.coins, words.figures.gifts), top),
    h("table.money", {}, heads(words.combo, words.gift, words.count), combos),
  );
  const rows = (body, items) =>
    keyed(
      body,
      items.map((cells, place) => ({ cells, place })),
      ({ place }) => String(place),
      ({ cells }) => h("tr", {}, ...cells.map((_, column) => h(column ? "td" : "th", column ? {} : { scope: "row" }))),
      (row, { cells }) =>
        cells.forEach((cell, column) => {
          const place = row.children[column];
          if (typeof cell === "number") setText(place, grouped(cell));
          else if (place.textContent !== clean(cell, 40)) place.replaceChildren(foreign(clean(cell, 40)));
        }),
    );
  return {
    root,
    render(section) {
      for (const [name, value] of sums) {
        const figure = section[name];
        const about = typeof figure === "number" || figure.method === "exact" ? "" : "≈";
        setText(value, `${about}${grouped(typeof figure === "number" ? figure : figure.value)}`);
      }
      rows(top, section.top.map(({ who, coins, gifts }) => [who, coins, gifts]));
      rows(combos, section.combos.map(({ who, gift_id, count }) => [who, gift_id, count]));
      combos.parentElement.hidden = section.combos.length === 0;
    },
  };
}

// What a host sees of follows: gained, lost and net; what is in none of them, where there is any.

import { h, setText } from "../../dom.js";
import { grouped } from "../../text.js";

const ALWAYS = ["gained", "lost", "net"];
const SOMETIMES = ["beyond", "unknown"];

/** @returns {{ root: Element, render: (section: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.follows;
  const figures = [...ALWAYS, ...SOMETIMES].map((name) => {
    const value = h("dd", {}, "–");
    return { name, value, box: h("div", { "data-figure": name }, h("dt", {}, words.figures[name]), value) };
  });
  return {
    root: h("div.parts", {}, h("dl.figures", {}, ...figures.map(({ box }) => box))),
    render(section) {
      for (const { name, value, box } of figures) {
        const figure = section[name] ?? 0;
        const least = section.beyond > 0 && (name === "gained" || name === "lost") ? "≥" : "";
        const sign = name === "net" && figure > 0 ? "+" : "";
        setText(value, `${least}${sign}${grouped(figure)}`);
        box.hidden = SOMETIMES.includes(name) && figure === 0;
      }
    },
  };
}

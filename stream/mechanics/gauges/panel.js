// What a host sees of gauges: of each figure what every source says now, when it said so, and the peak where it differs.

import { h, setText } from "../../dom.js";
import { fill, grouped, timeOfDay } from "../../text.js";
import { keyed } from "../../console/keyed.js";
import { ago, figure, platform } from "./said.js";

const GAUGES = ["viewers_now", "viewers_total", "likes_total", "popularity"];

/** @returns {{ root: Element, render: (section: object, overlay: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.gauges;
  const body = h("tbody");
  const beyond = h("p.soft");
  const said = (reading) => figure(reading, grouped(reading.value));
  return {
    root: h("div", {}, h("table.money", {}, body), beyond),
    render(section, overlay) {
      const rows = GAUGES.flatMap((gauge) =>
        section.sources.filter((source) => source[gauge]).map((source) => ({ source: source.source, gauge, ...source[gauge] })),
      );
      keyed(
        body,
        rows,
        ({ source, gauge }) => `${gauge} ${source}`,
        ({ source, gauge }) => {
          const who = h("bdi", {}, platform(source, words));
          const name = h("th", { scope: "row" }, h("div", {}, words.gauges[gauge]), h("div", {}, who, h("span")));
          return h("tr", {}, name, h("td", {}, h("div"), h("div.soft")));
        },
        (row, { latest, peak }) => {
          const [name, value] = row.children;
          const [now, most] = value.children;
          const age = latest ? ago(overlay.as_of_ms - latest.at_ms, words, strings) : "";
          setText(name.lastElementChild.lastElementChild, age && fill(words.behind, { ago: age }));
          setText(now, latest ? said(latest) : words.notKnown);
          const differs = !latest || said(latest) !== said(peak);
          setText(most, differs ? fill(words.peakOf, { n: said(peak) }) : "");
          most.title = timeOfDay(peak.at_ms);
        },
      );
      beyond.hidden = !section.beyond;
      setText(beyond, fill(words.beyond, { n: grouped(section.beyond ?? 0) }));
    },
  };
}

// Small drawings, 24 × 24, in the colour of the text beside them.

import { svg } from "../dom.js";

const PATHS = {
  eye: "M12 5C6.5 5 2.5 9.6 1.2 12c1.3 2.4 5.3 7 10.8 7s9.5-4.6 10.8-7C21.5 9.6 17.5 5 12 5Zm0 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9Zm0-2.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  heart: "M12 21S2.5 15.3 2.5 8.8A5.3 5.3 0 0 1 12 5.6a5.3 5.3 0 0 1 9.5 3.2C21.5 15.3 12 21 12 21Z",
  speech: "M4 3.5h16A1.5 1.5 0 0 1 21.5 5v10.5A1.5 1.5 0 0 1 20 17h-8l-5.5 4.5V17H4a1.5 1.5 0 0 1-1.5-1.5V5A1.5 1.5 0 0 1 4 3.5Z",
  bag: "M7.5 8V6.5a4.5 4.5 0 0 1 9 0V8H20l1.2 13H2.8L4 8h3.5Zm2 0h5V6.5a2.5 2.5 0 0 0-5 0V8Z",
  cart: "M1.5 3h3.3l.7 3H22l-2.3 9.5H7.3L3.8 5h-2.3V3ZM8.5 21a2 2 0 1 1 0-4 2 2 0 0 1 0 4Zm9 0a2 2 0 1 1 0-4 2 2 0 0 1 0 4Z",
  clock: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20Zm0 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15Zm-1.2 2.8h2.4v4.3l3.3 2-1.3 2-4.4-2.7V7.3Z",
  cross: "M5 2.8 12 9.8l7-7L21.2 5l-7 7 7 7-2.2 2.2-7-7-7 7L2.8 19l7-7-7-7L5 2.8Z",
  stop: "M5 5h14v14H5V5Z",
  flag: "M4 2.5h2.5v19H4v-19Zm4 1h12.5L17 9l3.5 5.5H8v-11Z",
};

export function icon(name) {
  return svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: PATHS[name] }));
}

/** A level as a meter of six bars. The number of full bars is the height of the level. */
export function meter(rank, of = 6) {
  const bars = [];
  for (let bar = 0; bar < of; bar += 1) {
    const height = 6 + bar * 3.2;
    bars.push(
      svg("rect", {
        x: 1 + bar * 3.8,
        y: 23 - height,
        width: 2.8,
        height,
        rx: 0.8,
        class: bar <= rank ? "full" : "empty",
      }),
    );
  }
  return svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, ...bars);
}

/** The drawing of a level. */
export function levelIcon(level, rank) {
  if (level === "all_taken") return icon("bag");
  if (level === "sold_out") return icon("cross");
  if (level === "ended") return icon("stop");
  return meter(rank);
}

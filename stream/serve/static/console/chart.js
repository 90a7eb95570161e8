// One chart over time: its title, its legend (the name of each line and its value at one moment), and the plot.

import uPlot from "../vendor/uplot.esm.js";
import { h, setText } from "../dom.js";
import { explain } from "./explain.js";

const Y_AXIS_PX = 58;
const RIGHT_PX = 14;
/** A table that is read line by line has no more than this. */
const ROWS_MAX = 24;
/** Dashes for each line: lines differ without colour too. */
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 4], [4, 4]];

/** Axis steps for units and orders, which are whole numbers. */
const WHOLE_STEPS = Array.from({ length: 14 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {string} label
 * @property {(value: number) => string} format
 * @property {string} [explain]
 * @property {boolean} [filled]
 * @property {boolean} [behind]  drawn faintly: it is not of this show
 * @property {boolean} [hidden]
 */
export class Chart {
  #plot = null;
  #element;
  #title;
  #values = [];
  #lines;
  #data = [[]];
  #options;
  #table = null;
  #tableButton;

  /**
   * @param {object} options
   * @param {Line[]} options.lines
   * @param {(value: number) => string} options.axis      formats a figure on the axis
   * @param {boolean} options.whole                       the figures are whole numbers
   * @param {boolean} options.lowest                      this chart carries the time axis
   * @param {(atMs: number) => string} options.timeOf
   * @param {() => {atMs: number, label: string, tone: string}[]} options.marks
   * @param {boolean} options.labelled                    the marks have their words in this chart
   * @param {() => number | null} options.pinned          the moment chosen by keys
   * @param {(atMs: number | null) => void} options.onHover
   * @param {() => [number, number]} options.range
   * @param {() => string} options.about
   * @param {{table: string, moment: string}} options.words
   */
  constructor(options) {
    this.#options = options;
    this.#lines = options.lines.map((line) => ({ ...line }));
    this.#title = h("h3");
    explain(this.#title, () => [options.about()]);
    const legend = h("ul.legend");
    this.#lines.forEach((line, place) => legend.append(this.#entry(line, place)));
    // A drawing says nothing to a screen reader: the table beside it has the same figures.
    this.#element = h("div.plot", { "aria-hidden": "true" });
    this.#tableButton = h("button.as-table", { type: "button", "aria-expanded": "false" }, options.words.table);
    this.#tableButton.addEventListener("click", () => this.#toggleTable());
    this.root = h("div.chart", {}, h("header", {}, this.#title, legend, this.#tableButton), this.#element);
    new ResizeObserver(() => this.#resize()).observe(this.#element);
  }

  #entry(line, place) {
    const value = h("b", {}, "–");
    this.#values.push(value);
    const button = h(
      "button",
      { type: "button", "aria-pressed": String(!line.hidden), "data-line": place + 1, "data-behind": line.behind ?? null },
      h("i.sample", { "aria-hidden": "true" }),
      h("span", {}, line.label),
      value,
    );
    button.addEventListener("click", () => {
      line.hidden = !line.hidden;
      button.setAttribute("aria-pressed", String(!line.hidden));
      this.#plot?.setSeries(place + 1, { show: !line.hidden });
    });
    if (line.explain) explain(button, () => [line.explain]);
    return h("li", {}, button);
  }

  set title(text) {
    setText(this.#title, text);
  }

  /** @param {number[][]} data  times, then the values of each line */
  show(data) {
    this.#data = data;
    if (this.#plot === null) this.#build();
    else this.#plot.setData(data, false);
    const [from, to] = this.#options.range();
    this.#plot?.setScale("x", { min: from, max: to });
    this.#fillTable();
  }

  #toggleTable() {
    const isOpen = this.#table === null;
    this.#tableButton.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      const named = { tabindex: "0", role: "group", "aria-label": this.#title.textContent };
      this.#table = h("div.chart-table", named, h("table", {}, h("caption"), h("thead"), h("tbody")));
      this.root.append(this.#table);
      this.#fillTable();
    } else {
      this.#table.remove();
      this.#table = null;
    }
  }

  /** Writes the range that is shown into the table, newest first, in equal steps. */
  #fillTable() {
    if (this.#table === null) return;
    const [caption, head, body] = this.#table.firstElementChild.children;
    const { timeOf, words } = this.#options;
    setText(caption, this.#title.textContent);
    const times = this.#data[0];
    const step = Math.max(1, Math.ceil(times.length / ROWS_MAX));
    const rows = [];
    for (let place = times.length - 1; place >= 0; place -= step) rows.push(place);
    const cell = (line, number, place) => {
      const value = this.#data[number + 1]?.[place] ?? null;
      return h("td", {}, value === null ? "–" : line.format(value));
    };
    const heads = [words.moment, ...this.#lines.map(({ label }) => label)];
    head.replaceChildren(h("tr", {}, ...heads.map((each) => h("th", { scope: "col" }, each))));
    body.replaceChildren(
      ...rows.map((place) =>
        h("tr", {}, h("th", { scope: "row" }, timeOf(times[place])), ...this.#lines.map((line, number) => cell(line, number, place))),
      ),
    );
  }

  /** Writes the values into the legend: those of a moment, or the newest. */
  read(atMs) {
    const times = this.#data[0];
    let place = times.length - 1;
    if (atMs !== null) while (place > 0 && times[place] > atMs) place -= 1;
    this.#lines.forEach((line, number) => {
      const value = this.#data[number + 1]?.[place] ?? null;
      setText(this.#values[number], value === null ? "–" : line.format(value));
    });
  }

  /** Draws again after a change of colours. */
  dress() {
    this.#plot?.destroy();
    this.#plot = null;
    if (this.#data.length > 1) this.show(this.#data);
  }

  /** The margins of the plot in its element, in px, so that drawings beside it line up. */
  static get insets() {
    return { start: Y_AXIS_PX, end: RIGHT_PX };
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#element;
    if (width > 0 && height > 0) this.#plot?.setSize({ width, height });
  }

  #build() {
    const { clientWidth: width, clientHeight: height } = this.#element;
    if (width <= 0 || height <= 0) return;
    const style = getComputedStyle(this.#element);
    const colour = (name) => style.getPropertyValue(name).trim();
    const { lowest, axis, timeOf } = this.#options;
    const font = `11px ${style.fontFamily}`;
    const grid = { stroke: colour("--grid"), width: 1 };
    const lines = this.#lines.map((line, place) => ({
      label: line.label,
      show: !line.hidden,
      stroke: colour(line.behind ? "--soft" : `--line-${place + 1}`),
      width: line.behind ? 1.5 : 2,
      dash: DASHES[place % DASHES.length],
      fill: line.filled ? colour("--fill") : undefined,
      points: { show: false },
      spanGaps: false,
    }));
    this.#plot = new uPlot(
      {
        width,
        height,
        ms: 1,
        padding: [this.#options.labelled ? 16 : 6, RIGHT_PX, lowest ? 0 : 4, 0],
        legend: { show: false },
        cursor: {
          sync: { key: "console" },
          drag: { x: false, y: false },
          y: false,
          points: { size: 6 },
        },
        scales: { x: { time: true }, y: { range: (_, min, max) => [0, max > 0 ? max * 1.08 : 1] } },
        axes: [
          {
            show: true,
            size: lowest ? 26 : 2,
            stroke: colour("--soft"),
            font,
            grid,
            ticks: { show: lowest, stroke: colour("--grid") },
            values: (_, splits) => splits.map((at) => (lowest ? timeOf(at) : "")),
            space: 90,
          },
          {
            size: Y_AXIS_PX,
            stroke: colour("--soft"),
            font,
            grid,
            ticks: { show: false },
            values: (_, splits) => splits.map(axis),
            incrs: this.#options.whole ? WHOLE_STEPS : undefined,
            space: 28,
          },
        ],
        series: [{}, ...lines],
        hooks: {
          draw: [(plot) => this.#drawMarks(plot, colour, font)],
          setCursor: [(plot) => this.#hover(plot)],
        },
      },
      this.#data,
      this.#element,
    );
  }

  #hover(plot) {
    const { idx, left } = plot.cursor;
    this.#options.onHover(left !== undefined && left >= 0 && idx !== null && idx !== undefined ? this.#data[0][idx] : null);
  }

  #drawMarks(plot, colour, font) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height);
    ctx.clip();
    ctx.font = font.replace("11px", `${11 * ratio}px`);
    ctx.textBaseline = "top";
    ctx.textAlign = "left"; // the axes were drawn with another one
    let freeFrom = -Infinity;
    for (const { atMs, label, tone } of this.#options.marks()) {
      const x = Math.round(plot.valToPos(atMs, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour(tone === "level" ? "--grid-strong" : "--mark");
      ctx.lineWidth = ratio;
      ctx.setLineDash(tone === "level" ? [2 * ratio, 3 * ratio] : []);
      ctx.beginPath();
      ctx.moveTo(x + 0.5, bbox.top);
      ctx.lineTo(x + 0.5, bbox.top + bbox.height);
      ctx.stroke();
      if (!this.#options.labelled || !label) continue;
      // Whole, or not at all: a label that would leave the plot begins earlier.
      const { width } = ctx.measureText(label);
      const at = Math.min(x + 3 * ratio, bbox.left + bbox.width - width);
      if (at < Math.max(freeFrom, bbox.left)) continue;
      ctx.fillStyle = colour(tone === "level" ? "--soft" : "--text");
      ctx.fillText(label, at, 1 * ratio);
      freeFrom = at + width + 7 * ratio;
    }
    const pinned = this.#options.pinned();
    if (pinned !== null) {
      const x = Math.round(plot.valToPos(pinned, "x", true));
      ctx.setLineDash([]);
      ctx.strokeStyle = colour("--focus");
      ctx.lineWidth = 2 * ratio;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}

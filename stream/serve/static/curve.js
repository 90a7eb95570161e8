// One curve over time with the events of a show on its axis, and another show's curve behind it. Drawn on a canvas, so
// that the same drawing can be taken along as a picture; its figures are a table beside it.

import { h } from "./dom.js";

/** Of more events only the last ones are marked. */
const MAX_MARKS = 40;
const NICE_MS = [1, 2, 5, 10, 15, 30, 60, 120, 240, 480].map((minutes) => minutes * 60_000);
const SECONDS_MS = [5, 10, 20, 30].map((seconds) => seconds * 1_000);

/**
 * @typedef {object} Model
 * @property {number} fromMs
 * @property {number} toMs
 * @property {number} stepMs
 * @property {(number|null)[]} values   one for each step from `fromMs` on; null: not known
 * @property {(number|null)[]|null} behind  of the other show, from its own beginning
 * @property {{atMs: number, label: string}[]} marks
 * @property {(value: number) => string} format
 * @property {(atMs: number) => string} timeOf
 */

/** Draws a model. `colours`: text, soft, grid, line, fill, behind, mark, and ground (null: none). */
export function drawCurve(context, { width, height, fontPx, family, colours }, model) {
  const { fromMs, toMs, stepMs, values, behind, format, timeOf } = model;
  context.clearRect(0, 0, width, height);
  if (colours.ground) {
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, height);
  }
  context.font = `${fontPx}px ${family}`;
  context.textBaseline = "middle";
  const most = Math.max(...values.map((value) => value ?? 0), ...(behind ?? []).map((value) => value ?? 0), 0);
  const ticks = niceTicks(most);
  const top = fontPx * 1.9;
  const bottom = height - fontPx * 1.8;
  const start = Math.max(...ticks.map((tick) => context.measureText(format(tick)).width)) + fontPx;
  const end = width - fontPx * 0.8;
  const x = (atMs) => start + ((end - start) * (atMs - fromMs)) / Math.max(toMs - fromMs, 1);
  const y = (value) => bottom - ((bottom - top) * value) / (ticks.at(-1) || 1);

  context.lineWidth = Math.max(1, fontPx / 14);
  context.strokeStyle = colours.grid;
  context.fillStyle = colours.soft;
  context.textAlign = "end";
  for (const tick of ticks) {
    line(context, start, y(tick), end, y(tick));
    context.fillText(format(tick), start - fontPx * 0.5, y(tick));
  }
  context.textAlign = "center";
  const apartPx = context.measureText(timeOf(toMs)).width * 1.8;
  for (const at of timeTicks(fromMs, toMs, (end - start) / apartPx)) {
    const half = context.measureText(timeOf(at)).width / 2;
    context.fillText(timeOf(at), Math.min(Math.max(x(at), start + half), end - half), height - fontPx * 0.75);
  }
  if (behind !== null) stepped(context, behind, { x: (place) => x(fromMs + place * stepMs), y, colour: colours.behind, dash: [fontPx / 3, fontPx / 4], widthPx: fontPx / 9, end });
  filled(context, values, { x: (place) => x(fromMs + place * stepMs), y, bottom, colour: colours.fill });
  stepped(context, values, { x: (place) => x(fromMs + place * stepMs), y, colour: colours.line, dash: [], widthPx: fontPx / 7, end });
  marked(context, model, { x, top, bottom, start, end, fontPx, colours });
}

function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

/** Runs of known values: a gap is not bridged. */
function* runs(values) {
  let from = -1;
  for (let place = 0; place <= values.length; place += 1) {
    const known = place < values.length && values[place] !== null;
    if (known && from < 0) from = place;
    if (!known && from >= 0) {
      yield [from, place];
      from = -1;
    }
  }
}

function stepped(context, values, { x, y, colour, dash, widthPx, end }) {
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = Math.max(1.5, widthPx);
  context.lineJoin = "round";
  context.setLineDash(dash);
  for (const [from, to] of runs(values)) {
    context.beginPath();
    for (let place = from; place < to && x(place) <= end; place += 1) {
      // The value of a step stands in its middle.
      const at = Math.min(x(place + 0.5), end);
      if (place === from) context.moveTo(to - from === 1 ? x(place) : at, y(values[place]));
      context.lineTo(to - from === 1 ? Math.min(x(place + 1), end) : at, y(values[place]));
    }
    context.stroke();
  }
  context.restore();
}

function filled(context, values, { x, y, bottom, colour }) {
  context.fillStyle = colour;
  for (const [from, to] of runs(values)) {
    if (to - from < 2) continue;
    context.beginPath();
    context.moveTo(x(from + 0.5), bottom);
    for (let place = from; place < to; place += 1) context.lineTo(x(place + 0.5), y(values[place]));
    context.lineTo(x(to - 0.5), bottom);
    context.fill();
  }
}

/** Events: a line each, and the word of each that has room, the newest first. */
function marked(context, { marks, fromMs, toMs }, { x, top, bottom, start, end, fontPx, colours }) {
  context.save();
  context.strokeStyle = colours.mark;
  context.fillStyle = colours.text;
  context.textAlign = "center";
  context.lineWidth = Math.max(1, fontPx / 12);
  context.setLineDash([fontPx / 6, fontPx / 5]);
  const taken = [];
  for (const { atMs, label } of marks.slice(-MAX_MARKS).reverse()) {
    if (atMs < fromMs || atMs > toMs) continue;
    line(context, x(atMs), top - fontPx * 0.4, x(atMs), bottom);
    const half = context.measureText(label).width / 2;
    const at = Math.min(Math.max(x(atMs), start + half), end - half);
    if (taken.some(([from, to]) => at - half < to + fontPx * 0.5 && at + half > from - fontPx * 0.5)) continue;
    taken.push([at - half, at + half]);
    context.fillText(label, at, top - fontPx * 1.1);
  }
  context.restore();
}

/** Three to five round figures from 0 to at least `most`; of nothing 0 alone. */
export function niceTicks(most) {
  if (!(most > 0)) return [0];
  const power = 10 ** Math.floor(Math.log10(most / 3));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => most / each <= 4) ?? 10 * power;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, place) => place * step);
}

function timeTicks(fromMs, toMs, most) {
  const long = toMs - fromMs;
  const step = [...SECONDS_MS, ...NICE_MS].find((each) => long / each <= Math.max(2, Math.min(most, 8))) ?? NICE_MS.at(-1);
  const ticks = [];
  for (let at = Math.ceil(fromMs / step) * step; at <= toMs; at += step) ticks.push(at);
  return ticks;
}

/** A curve on a page: it follows the size and the colours of its element. */
export class Curve {
  #canvas = h("canvas", { role: "img" });
  #model = null;
  #drawn = "";

  constructor() {
    this.root = h("div.curve", {}, this.#canvas);
    new ResizeObserver(() => this.#draw({ anew: true })).observe(this.root);
  }

  /** @param {Model|null} model  @param {string} about  what it shows, for those who do not see it */
  render(model, about) {
    this.#model = model;
    if (this.#canvas.getAttribute("aria-label") !== about) this.#canvas.setAttribute("aria-label", about);
    this.#draw();
  }

  /** The drawing as a PNG of this size, on the colour of its ground. */
  async picture(width, height) {
    const canvas = h("canvas");
    canvas.width = width;
    canvas.height = height;
    const style = this.#style(height / 22);
    style.colours.ground = getComputedStyle(this.root).getPropertyValue("--panel").trim();
    drawCurve(canvas.getContext("2d"), { width, height, ...style }, this.#model);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  #style(fontPx) {
    const style = getComputedStyle(this.root);
    const colour = (name) => style.getPropertyValue(name).trim();
    return {
      fontPx,
      family: style.fontFamily,
      colours: {
        text: colour("--text"),
        soft: colour("--soft"),
        grid: colour("--grid-strong"),
        line: colour("--line-1"),
        fill: colour("--fill"),
        behind: colour("--line-4"),
        mark: colour("--mark"),
        ground: null,
      },
    };
  }

  /** Draws unless the same figures stand there already in the same colours: a page that waits costs no frame. */
  #draw({ anew = false } = {}) {
    const { fromMs, toMs, stepMs, values, behind, marks } = this.#model ?? {};
    const drawn = JSON.stringify([document.documentElement.dataset.theme, fromMs, toMs, stepMs, values, behind, marks]);
    if (!anew && drawn === this.#drawn) return;
    const { clientWidth: width, clientHeight: height } = this.root;
    if (this.#model === null || width <= 0 || height <= 0) return;
    this.#drawn = drawn;
    const ratio = devicePixelRatio;
    if (this.#canvas.width !== Math.round(width * ratio) || this.#canvas.height !== Math.round(height * ratio)) {
      this.#canvas.width = Math.round(width * ratio);
      this.#canvas.height = Math.round(height * ratio);
    }
    const context = this.#canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawCurve(context, { width, height, ...this.#style(Number.parseFloat(getComputedStyle(this.root).fontSize)) }, this.#model);
  }
}

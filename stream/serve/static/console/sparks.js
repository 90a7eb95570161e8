// How many people watched each room in the last minutes, as a small line beside their number.

import { h, setText, svg } from "../dom.js";
import { fill, grouped, timeOfDay } from "../text.js";

const WINDOW_MS = 900_000;
const WIDE = 100;
const HIGH = 24;
const STEP_MS = 10_000;

/** The courses of the rooms that the page shows. What the server no longer sends is kept for a quarter of an hour. */
export class Sparks {
  #rooms = new Map();
  #strings;

  constructor(strings) {
    this.#strings = strings;
  }

  /** Takes the rooms of an answer; rooms that are shown no more are let go. */
  take(rooms, nowMs) {
    const before = this.#rooms;
    this.#rooms = new Map();
    for (const room of rooms) {
      const points = new Map(before.get(room.room_id) ?? []);
      const { at_ms: times, watching } = room.trend ?? {};
      if (Array.isArray(times) && Array.isArray(watching)) times.forEach((at, place) => points.set(stepOf(at), watching[place]));
      if (nowMs <= room.stale_after_ms) points.set(stepOf(room.as_of_ms), room.watching_now);
      const kept = [...points].filter(([at, value]) => at > nowMs - WINDOW_MS && Number.isFinite(value)).sort(([one], [other]) => one - other);
      this.#rooms.set(room.room_id, kept);
    }
  }

  /** The element that `draw` draws into. */
  create() {
    const line = svg("path", { fill: "none", "vector-effect": "non-scaling-stroke" });
    const root = svg("svg.spark", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }, line);
    const said = h("span.heard");
    return { root, line, said };
  }

  draw({ root, line, said }, roomId, nowMs) {
    const points = this.#rooms.get(roomId) ?? [];
    root.toggleAttribute("hidden", points.length < 2);
    if (points.length < 2) {
      setText(said, "");
      return;
    }
    const most = Math.max(...points.map(([, value]) => value), 1);
    const x = (at) => ((WIDE * (at - nowMs + WINDOW_MS)) / WINDOW_MS).toFixed(1);
    const y = (value) => (HIGH - 2 - ((HIGH - 4) * value) / most).toFixed(1);
    line.setAttribute("d", `M${points.map(([at, value]) => `${x(at)} ${y(value)}`).join("L")}`);
    const [first, last] = [points[0], points.at(-1)];
    setText(said, fill(this.#strings.rooms.trend, { first: grouped(first[1]), last: grouped(last[1]), time: timeOfDay(first[0], false) }));
  }
}

const stepOf = (atMs) => Math.floor(atMs / STEP_MS) * STEP_MS;

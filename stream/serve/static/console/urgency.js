// The level of each sale over time, in words: the new level, the time, the reason. Newest first.

import { levelIcon } from "../overlay/icons.js";
import { RAMP } from "../levels.js";
import { foreign, h } from "../dom.js";
import { clean, timeOfDay } from "../text.js";
import { eventLabel } from "./charts.js";
import { keyed } from "./keyed.js";
import { becauseLines, correctionText } from "./reasons.js";

const MAX_LINES = 60;
const TOLD_BY_LEVEL = new Set(["all_taken", "sold_out", "ended"]);

export class Urgency {
  #context;
  #list;

  constructor(context) {
    this.#context = context;
    const words = context.strings.console;
    this.#list = h("ol.changes", { tabindex: "0", "aria-label": words.urgency });
    this.root = h("section.urgency", { "aria-label": words.urgency }, h("header.bar-head", {}, h("h2", {}, words.urgency)), this.#list);
  }

  render(events) {
    const { strings } = this.#context;
    const shown = events
      .filter((event) => !TOLD_BY_LEVEL.has(event.kind))
      .slice(-MAX_LINES)
      .sort((a, b) => b.atMs - a.atMs);
    keyed(
      this.#list,
      shown.length ? shown : [null],
      (event) => (event === null ? "none" : `${event.atMs} ${event.kind} ${event.key} ${event.value}`),
      (event) => {
        if (event === null) return h("li.soft", {}, strings.console.urgencyNone);
        const isLevel = event.kind === "level";
        const mark = h(
          isLevel ? "span.level" : "span.event",
          isLevel ? { "data-level": event.value } : {},
          isLevel ? levelIcon(event.value, RAMP.indexOf(event.value)) : null,
          eventLabel(event, strings),
        );
        const why = isLevel ? becauseLines(event.because, event.value, strings).join("; ") : correctionOf(event, strings);
        return h("li", {}, h("time.soft", {}, timeOfDay(event.atMs)), mark, h("span.why", {}, why), h("span.soft.of", {}, foreign(clean(event.key, 60))));
      },
      () => {},
    );
  }
}

const correctionOf = (event, strings) => (event.kind === "corrected" ? correctionText(event.correction, strings) : "");

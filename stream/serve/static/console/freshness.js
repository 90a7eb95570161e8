// The age of the figures, always visible: green, amber, then grey, and the figures turn grey with it.

import { h, setText } from "../dom.js";
import { duration, fill, timeOfDay } from "../text.js";
import { reasonText } from "./away.js";
import { explain } from "./explain.js";
import { zoneOf } from "./zone.js";

export class Freshness {
  #context;
  #age;
  #state;

  /** @param {{room, strings}} context */
  constructor(context) {
    this.#context = context;
    this.#age = h("span.age");
    this.#state = h("span.state");
    const ring = h("i.ring", { "aria-hidden": "true" });
    this.root = h("div.freshness", {}, ring, this.#age, this.#state);
    const words = context.strings.console;
    explain(this.root, () => {
      const { last } = context.room;
      const time = last === null ? null : `${timeOfDay(last.as_of_ms)} ${zoneOf(last.as_of_ms)}`;
      return [
        this.#state.textContent,
        reasonText(context.room, context.strings),
        time === null ? null : fill(words.asOf, { time }),
      ];
    });
  }

  render() {
    const { room, strings } = this.#context;
    const words = strings.console;
    const { last, state } = room;
    const ageMs = last === null ? null : Math.max(0, room.now() - last.as_of_ms);
    // A document that was taken back, or is torn, may be young: it is as good as old.
    const worth = last === null ? "none" : room.overlay === null ? "old" : worthOf(ageMs, last);
    document.documentElement.dataset.fresh = worth;
    this.root.dataset.fresh = worth;
    setText(this.#age, ageMs === null ? "" : fill(words.age, { age: duration(ageMs, strings) }));
    const backlog = state === "live" && last.clock.source === "log" && last.clock.lag_ms > 0;
    const trouble = state === "live" && !room.online ? words.states.offline : (words.states[state] ?? "");
    const told = state === "refused" ? reasonText(room, strings) : trouble;
    setText(this.#state, backlog ? words.backlog : told);
  }
}

/** "new" in the first half of the figures' lifetime, "aging" in the second, "old" after it. */
function worthOf(ageMs, { as_of_ms, stale_after_ms }) {
  const lifeMs = stale_after_ms - as_of_ms;
  if (ageMs > lifeMs) return "old";
  return ageMs > Math.max(lifeMs / 2, 1_500) ? "aging" : "new";
}

// The room's progress to a goal that the streamer set. Totals of the session are exact, or marked as an estimate.

import { h, setText } from "../../dom.js";
import { signOf } from "../../money.js";
import { compact, grouped, minorUnits } from "../../text.js";
import { pulse, roll, slideIn } from "../motion.js";
import { Widget } from "../widget.js";

const CORRECTION_MS = 2_500;

export class GoalWidget extends Widget {
  #parts;
  #correction = 0;

  view() {
    const { room, params, strings, lang } = this.context;
    const goal = params.goal;
    const totals = room.overlay?.totals;
    if (!goal || !totals) return null;
    const { value, estimate } = reached(goal, totals);
    if (!(value > 0)) return null;
    const sign = goal.currency ? signOf(goal.currency, lang) : "";
    const said = (number) => `${sign}${number < 1_000_000 ? grouped(number) : compact(number, strings)}`;
    return {
      key: `${goal.of} ${goal.target}`,
      value,
      sign,
      text: `${estimate ? "≈" : ""}${said(value)}`,
      target: said(goal.target),
      label: params.goal_label || strings.overlay.goals[goal.of],
      share: Math.min(value / goal.target, 1),
      done: value >= goal.target,
    };
  }

  build() {
    const label = h("span.name");
    const done = h("span.chip", { hidden: true }, this.context.strings.overlay.goalReached);
    const figure = h("span.figure");
    const target = h("span.unit");
    const correction = h("span.correction", { hidden: true });
    const filled = h("span.filled");
    this.append(
      h(
        "div.plate",
        {},
        h("div.head", {}, label, done),
        h("div.says", {}, figure, target, correction),
        h("div.bar", { "aria-hidden": "true" }, filled),
      ),
    );
    this.#parts = { label, done, figure, target, correction, filled };
  }

  paint(view, before) {
    const { label, done, figure, target, correction, filled } = this.#parts;
    setText(label, view.label);
    setText(target, `/ ${view.target}`);
    filled.style.inlineSize = `${(view.share * 100).toFixed(2)}%`;
    const less = before === null ? 0 : before.value - view.value;
    roll(figure, view.text, before === null ? null : less > 0 ? "down" : "up");
    done.hidden = !view.done;
    if (before !== null && view.done && !before.done) pulse(this.firstElementChild);
    if (less > 0) {
      setText(correction, `−${view.sign}${grouped(less)}`);
      correction.hidden = false;
      slideIn(correction);
      clearTimeout(this.#correction);
      this.#correction = setTimeout(() => (correction.hidden = true), CORRECTION_MS);
    }
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.#correction);
  }
}

function reached({ of, currency }, totals) {
  if (of === "orders_paid") return { value: totals.orders.paid };
  if (of === "orders_placed") return { value: totals.orders.placed };
  if (of === "viewers") return { value: totals.viewers.value, estimate: totals.viewers.method !== "exact" };
  if (of === "likes" || of === "comments") return { value: totals[of] };
  const purse = totals.money.find((each) => each.currency === currency);
  return { value: purse ? Math.floor(purse[`${of}_minor`] / minorUnits(currency)) : 0 };
}

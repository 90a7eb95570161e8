// The time to the start or the end of the subject's sale, by the server's clock. The end comes from an `ends_in` claim, the start
// from the announcement of a scheduled sale.

import { foreign, h, setText } from "../../dom.js";
import { countdown, countdownChangesIn } from "../../text.js";
import { pulse } from "../motion.js";
import { claimOf, nameOf } from "../subject.js";
import { Widget } from "../widget.js";

/** How long "started" and "ended" stay. */
const AFTER_MS = 10_000;
/** How long a changed end is marked as changed. */
const CORRECTED_MS = 60_000;
/** Beyond this a start is a date, not a countdown. */
const AHEAD_MAX_MS = 24 * 3_600_000;
/** What a host takes back that moves the end. */
const OF_THE_END = new Set(["ends_at_ms", "closed_at_ms"]);

export class CountdownWidget extends Widget {
  #parts;

  view() {
    const end = this.#end();
    return end ?? this.#start();
  }

  #end() {
    const { room, subject } = this.context;
    const claim = claimOf(this.context, "ends_in");
    if (claim !== null) return this.#of("endsIn", claim, claim.inputs.ends_at_ms, claim.inputs.extended === 1);
    const now = room.now();
    const { sale } = subject;
    const isOver =
      (sale?.status === "open" || sale?.status === "ended") &&
      sale.ends_at_ms !== null &&
      now >= sale.ends_at_ms &&
      now < sale.ends_at_ms + AFTER_MS;
    return isOver ? this.#of("endsIn", sale, sale.ends_at_ms, sale.extended) : null;
  }

  #start() {
    const { room, subject } = this.context;
    const now = room.now();
    const { sale } = subject;
    const isNear =
      (sale?.status === "scheduled" || sale?.status === "open") &&
      sale.starts_at_ms !== null &&
      sale.starts_at_ms - now <= AHEAD_MAX_MS &&
      now < sale.starts_at_ms + AFTER_MS;
    return isNear ? this.#of("startsIn", sale, sale.starts_at_ms, false) : null;
  }

  #of(kind, { sale_id, sku_id }, atMs, extended) {
    const { room, params, strings } = this.context;
    const leftMs = atMs - room.now();
    const over = leftMs <= 0;
    const words = strings.overlay;
    return {
      key: `${kind} ${sale_id} ${sku_id} ${over}`,
      atMs,
      name: nameOf(sku_id, params, room.overlay),
      label: over ? "" : words[kind],
      time: over ? (kind === "endsIn" ? words.ended : words.started) : countdown(leftMs, strings),
      extended: extended && !over,
      corrected: !over && this.#isCorrected(),
      last: !over && leftMs <= 10_000,
    };
  }

  /** Whether a shown time was just taken back: the countdown jumped because of that, not because of a delay. */
  #isCorrected() {
    const { room, subject } = this.context;
    const since = room.now() - CORRECTED_MS;
    return (subject.sale?.corrections ?? []).some((each) => OF_THE_END.has(each.what) && each.said_at_ms > since);
  }

  build() {
    const name = h("span.name");
    const label = h("span.unit");
    const time = h("span.figure.time", { role: "timer" });
    const chip = h("span.chip", { hidden: true });
    this.append(h("div.plate", {}, h("div.head", {}, name, chip), h("div.says", {}, label, time)));
    this.#parts = { name, label, time, chip };
  }

  paint(view, before) {
    const { name, label, time, chip } = this.#parts;
    setText(label, view.label);
    if (before?.name !== view.name) name.replaceChildren(foreign(view.name));
    setText(time, view.time);
    this.toggleAttribute("data-last", view.last);
    const words = this.context.strings.overlay;
    chip.hidden = !view.extended && !view.corrected;
    setText(chip, view.corrected ? words.corrected : view.extended ? words.extended : "");
    if (before !== null && (view.atMs > before.atMs || (view.corrected && !before.corrected))) pulse(chip.hidden ? this : chip);
  }

  changesIn(view) {
    const now = this.context.room.now();
    return view.label ? countdownChangesIn(view.atMs - now) : view.atMs + AFTER_MS - now;
  }
}

// What viewers see of coupons: of the one that is handed out now, how many are left of those offered. No word says more
// than this figure proves.

import { foreign, h, setText, svg } from "../../dom.js";
import { roll } from "../../overlay/motion.js";
import { Widget } from "../../overlay/widget.js";
import { clean, fill, grouped, pieces } from "../../text.js";

export const styles = new URL("widget.css", import.meta.url).href;

const TICKET =
  "M3 6h18v4.2a1.9 1.9 0 0 0 0 3.6V18H3v-4.2a1.9 1.9 0 0 0 0-3.6V6Zm11 1.8v2h1.6v-2H14Zm0 3.2v2h1.6v-2H14Zm0 3.2v2h1.6v-2H14Z";
const TITLE_CHARS = 40;

/** Whether it is handed out at this moment, by its terms. */
function isOpen({ offered, starts_at_ms, ends_at_ms }, nowMs) {
  return (offered ?? 0) > 0 && starts_at_ms <= nowMs && (ends_at_ms ?? Infinity) > nowMs;
}

export class CouponsWidget extends Widget {
  #parts;

  view() {
    const { room } = this.context;
    const section = room.overlay?.coupons;
    const nowMs = room.now();
    const open = section?.coupons.filter((coupon) => isOpen(coupon, nowMs)) ?? [];
    // The section's order: latest start first. One of which there are some goes before one of which there are none.
    const coupon = open.find(({ left }) => left > 0) ?? open[0];
    if (coupon === undefined) return null;
    const { coupon_id, title, offered, left, per_user_limit } = coupon;
    // Takes that are not counted may be of this coupon: then fewer are left, and never more.
    const says = left <= 0 ? "allTaken" : section.unmatched || section.beyond ? "leftAtMost" : "left";
    return {
      key: `${coupon_id} ${says} ${per_user_limit !== null}`,
      title: clean(title, TITLE_CHARS),
      says,
      left,
      total: grouped(offered),
      limit: per_user_limit ?? null,
      gone: Math.min(Math.max(1 - left / offered, 0), 1),
    };
  }

  build(view) {
    const words = this.context.strings.mechanics.coupons;
    const name = h("span.name");
    const limit = h("span.aside");
    const figure = h("span.figure");
    const total = h("span.total");
    const gone = h("span.sold");
    const icon = svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: TICKET, "fill-rule": "evenodd" }));
    const says = pieces(words[view.says], { n: figure, total }).map((piece) =>
      typeof piece === "string" ? h("span.unit", {}, piece.trim()) : piece,
    );
    this.append(
      h("div.plate", {}, h("div.head", {}, name, limit), h("div.says", {}, icon, ...says), h("div.bar", { "aria-hidden": "true" }, gone)),
    );
    this.#parts = { name, limit, figure, total, gone };
  }

  paint(view, before) {
    const { name, limit, figure, total, gone } = this.#parts;
    if (before?.title !== view.title) name.replaceChildren(foreign(view.title));
    setText(limit, view.limit === null ? "" : fill(this.context.strings.mechanics.coupons.perPerson, { n: grouped(view.limit) }));
    const direction = before === null || before.left === view.left ? null : before.left < view.left ? "up" : "down";
    roll(figure, grouped(view.left), direction);
    setText(total, view.total);
    gone.style.inlineSize = `${(view.gone * 100).toFixed(2)}%`;
  }

  /** Until another coupon starts or one ends. */
  changesIn() {
    const { room } = this.context;
    const nowMs = room.now();
    const moments = (room.overlay?.coupons?.coupons ?? []).flatMap(({ starts_at_ms, ends_at_ms }) => [starts_at_ms ?? 0, ends_at_ms ?? 0]);
    return Math.min(...moments.filter((moment) => moment > nowMs).map((moment) => moment - nowMs + 1));
  }
}

export const widgets = { coupons: CouponsWidget };

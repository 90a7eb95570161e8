// `debug=1`: what the page knows of itself, for whoever sets it up: subject, connection, age, version, what is held back
// and why, bytes, and the area for widgets as a frame. Never for viewers.

import { h, setText } from "../dom.js";
import { clean, duration, fill, grouped } from "../text.js";
import { isSame, nameOf } from "./subject.js";

const EVERY_MS = 1_000;
const RATE_MS = 10_000;

/** A panel over the page. It reads once a second, and so does not keep up with each document. */
export class DebugPanel {
  #context;
  #rows = new Map();
  #root;
  #seen = [];

  constructor(context) {
    this.#context = context;
    this.#root = h("dl.debug");
    for (const name of Object.keys(context.strings.debug.rows)) {
      const value = h("dd");
      this.#rows.set(name, value);
      this.#root.append(h("dt", {}, context.strings.debug.rows[name]), value);
    }
    setInterval(() => this.#look(), EVERY_MS);
    this.#look();
  }

  /** The elements to append to the page. */
  get elements() {
    return [h("div.safe-area", { "aria-hidden": "true" }), this.#root];
  }

  #look() {
    const { room, params, strings } = this.#context;
    const words = strings.debug;
    const document_ = room.last ?? room.overlay;
    const values = {
      room: params.sample ? strings.overlay.sample : clean(params.room),
      subject: this.#subject(words),
      connection: `${strings.console.states[room.state] ?? room.state ?? ""} · ${room.online ? words.online : words.notOnline}`,
      age: document_ === null ? "–" : duration(Math.max(0, room.now() - document_.as_of_ms), strings),
      rev: document_ === null ? "–" : `${document_.epoch}-${document_.rev}`,
      safe: this.#safe(words),
      said: this.#said(strings),
      withheld: this.#withheld(strings),
      bytes: fill(words.perSecond, { n: grouped(this.#bytesPerS(room.counts?.bytes ?? 0)) }),
    };
    for (const [name, value] of Object.entries(values)) setText(this.#rows.get(name), value);
  }

  #subject(words) {
    const { room, subject, params } = this.#context;
    if (subject.sale === null) return words.nothing;
    const { sale_id, sku_id } = subject.sale;
    return `${nameOf(sku_id, params, room.overlay)} · ${clean(sale_id)}/${clean(sku_id)} · ${words.why[subject.why]}`;
  }

  #safe(words) {
    const box = document.querySelector("main").getBoundingClientRect();
    const edges = [box.top, innerWidth - box.right, innerHeight - box.bottom, box.left].map(Math.round).join(" ");
    return `${document.documentElement.dataset.preset ?? words.noPreset} · ${innerWidth}×${innerHeight} · ${edges} px`;
  }

  #said(strings) {
    const kinds = [...new Set(this.#ofSubject(this.#context.room.claims).map(({ claim }) => strings.claimNames[claim] ?? claim))];
    return kinds.join(", ") || strings.debug.nothing;
  }

  #withheld(strings) {
    const held = this.#ofSubject(this.#context.room.overlay?.withheld ?? []);
    const words = held.map(({ claim, reason }) => {
      const why = strings.withheldOf[`${claim} ${reason}`] ?? strings.withheld[reason] ?? clean(reason);
      return `${strings.claimNames[claim] ?? clean(claim)}: ${why}`;
    });
    return words.join(" · ") || strings.debug.nothing;
  }

  /** Those about the subject, or about the whole room. */
  #ofSubject(list) {
    const { sale } = this.#context.subject;
    return list.filter((each) => (each.sale_id ?? null) === null || (sale !== null && isSame(each, sale)));
  }

  #bytesPerS(bytes) {
    const now = performance.now();
    this.#seen.push([now, bytes]);
    while (this.#seen.length > 2 && now - this.#seen[0][0] > RATE_MS) this.#seen.shift();
    const [[firstMs, first]] = this.#seen;
    return now > firstMs ? Math.round(((bytes - first) * 1_000) / (now - firstMs)) : 0;
  }
}

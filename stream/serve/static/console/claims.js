// Right column: what may be said on screen now, what is withheld and why, and the latest payments.

import { foreign, h, setText } from "../dom.js";
import { clean, fill, grouped, timeOfDay } from "../text.js";
import { explain } from "./explain.js";
import { keyed } from "./keyed.js";
import { claimText, withheldText } from "./reasons.js";
import { commandOf, Why } from "./why.js";

const MAX_LINES = 40;

export class Claims {
  #context;
  #said;
  #held;
  #feed;
  #why;
  #document = null;

  constructor(context) {
    this.#context = context;
    const words = context.strings.console;
    this.#said = h("ul.said");
    this.#held = h("ul.withheld");
    this.#feed = h("ul.feed");
    this.#why = new Why(context);
    this.root = h(
      "section.claims",
      { "aria-label": words.said },
      h("header.bar-head", {}, h("h2", {}, words.said)),
      this.#said,
      h("header.bar-head", {}, h("h2", {}, words.notSaid)),
      this.#held,
      h("header.bar-head", {}, h("h2", {}, words.feed)),
      this.#feed,
      this.#why.root,
    );
  }

  /** Draws the claims. An expired claim is listed as withheld, like one that failed its rule. */
  render(overlay, nowMs) {
    const { strings } = this.#context;
    this.#document = overlay;
    const claims = overlay?.claims ?? [];
    const valid = claims.filter((claim) => nowMs <= claim.valid_until_ms);
    const expired = claims.filter((claim) => nowMs > claim.valid_until_ms).map((claim) => ({ ...claim, reason: "stale" }));
    this.#list(this.#said, valid, "✓", (claim) => ({ text: claimText(claim, strings, nowMs), rest: "" }), (claim) => this.#proof(claim));
    this.#list(
      this.#held,
      [...expired, ...(overlay?.withheld ?? [])],
      "–",
      (withheld) => {
        const { name, reason } = withheldText(withheld, overlay.sales, strings);
        return { text: name, rest: reason };
      },
      (withheld) => {
        const { name, reason } = withheldText(withheld, overlay.sales, strings);
        return [`${name}: ${reason}`, this.#subjectOf(withheld)];
      },
    );
    this.#renderFeed(overlay?.feed ?? []);
  }

  #list(list, items, mark, textOf, about) {
    const words = this.#context.strings.console;
    const shown = items.length ? items.slice(0, MAX_LINES) : [null];
    const seen = new Map();
    const keys = shown.map((item) => {
      const key = item === null ? "nothing" : `${item.claim} ${item.sale_id} ${item.sku_id} ${item.reason ?? ""}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return `${key} ${seen.get(key)}`; // a hostile document may repeat an item
    });
    keyed(
      list,
      shown.map((item, place) => ({ item, key: keys[place] })),
      ({ key }) => key,
      ({ item }) => {
        if (item === null) return h("li.soft", {}, words.nothing);
        const element = h(
          "li",
          {},
          h("span.mark", { "aria-hidden": "true" }, mark),
          h("span.text"),
          h("span.rest"),
          h("span.soft.of", {}, foreign(this.#subjectOf(item))),
        );
        explain(element, () => about(element.item));
        this.#why.opens(element, () => ({ lines: about(element.item), command: this.#commandOf(element.item) }));
        return element;
      },
      (element, { item }) => {
        if (item === null) return;
        element.item = item;
        const { text, rest } = textOf(item);
        setText(element.children[1], text);
        setText(element.children[2], rest);
      },
    );
  }

  /** The product and the sale of a claim, by their names. */
  #subjectOf({ sale_id, sku_id }) {
    const { names } = this.#context;
    if (sale_id === null || sale_id === undefined) return "";
    return sku_id === null || sku_id === undefined ? names.of(sale_id) : `${names.of(sku_id)} · ${names.of(sale_id)}`;
  }

  /** The command that works a claim out again. A withheld claim has the document's own moment. */
  #commandOf(item) {
    const { room_id: roomId, as_of_ms: asOfMs } = this.#document ?? {};
    return commandOf(roomId ?? "", item.claim, item.as_of_ms ?? asOfMs);
  }

  /** The lines that prove a claim: rule, inputs, and their place in the log. */
  #proof(claim) {
    const { strings } = this.#context;
    const words = strings.console;
    const inputs = Object.entries(claim.inputs)
      .slice(0, 12)
      .map(([name, value]) => `${clean(name, 30)} ${value === null ? "–" : name.endsWith("_at_ms") ? timeOfDay(value) : Number.isInteger(value) ? grouped(value) : value}`);
    return [
      claimText(claim, strings, claim.as_of_ms),
      this.#subjectOf(claim),
      fill(words.claimHelp, {
        rule: clean(claim.rule, 40),
        time: timeOfDay(claim.as_of_ms),
        until: timeOfDay(claim.valid_until_ms),
      }),
      inputs.length ? `${words.inputs}: ${inputs.join(", ")}` : null,
      ...claim.evidence.slice(0, 6).map((each) =>
        fill(words.evidenceOf, {
          topic: clean(each.topic, 60),
          partition: each.partition,
          first: grouped(each.first_offset),
          next: grouped(each.next_offset),
        }),
      ),
    ];
  }

  #renderFeed(feed) {
    const { strings } = this.#context;
    const shown = feed.filter((item) => item.kind === "order").slice(0, 6);
    while (this.#feed.children.length > shown.length) this.#feed.lastElementChild.remove();
    while (this.#feed.children.length < shown.length) this.#feed.append(h("li", {}, h("time.soft"), h("bdi")));
    shown.forEach((item, place) => {
      const [time, text] = this.#feed.children[place].children;
      setText(time, timeOfDay(item.at_ms));
      const who = `${clean(Array.from(item.who.slice(0, 8))[0] ?? "", 1)}***`;
      setText(text, fill(strings.console.feedItem, { who, sku: this.#context.names.of(item.sku_id), n: grouped(item.quantity) }));
    });
  }
}

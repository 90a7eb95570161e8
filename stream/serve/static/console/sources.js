// Where the views of the session came from: each source with its share, those not named, and all others in one row.

import { foreign, h, setText } from "../dom.js";
import { nameOfSource, sourcesOf } from "../sources.js";
import { fill, grouped, share, timeOfDay } from "../text.js";
import { explain } from "./explain.js";
import { keyed } from "./keyed.js";

export class Sources {
  #context;
  #list = h("ul.rates");
  #asOfMs = 0;

  constructor(context) {
    this.#context = context;
    const { title } = context.strings.console.sources;
    this.root = h("section.sources", { "aria-label": title, hidden: true }, h("header.bar-head", {}, h("h2", {}, title)), this.#list);
  }

  render(overlay) {
    const found = overlay === null ? [] : sourcesOf(overlay, Infinity);
    this.#asOfMs = overlay?.as_of_ms ?? 0;
    this.root.hidden = found.length === 0;
    keyed(
      this.#list,
      found,
      ({ source, other }) => (source === null ? `${other}` : `/${source}`),
      (row) => this.#create(row),
      (element, row) => this.#update(element, row),
    );
  }

  #create(row) {
    const { strings } = this.#context;
    const words = strings.console.sources;
    const name = nameOfSource(row, strings);
    const element = h("li", {}, h("span.label", {}, foreign(name)), h("b"), h("span.of"));
    explain(element, () => {
      const { num, den } = element.row;
      const asOf = `${strings.console.totals} · ${fill(strings.console.asOf, { time: timeOfDay(this.#asOfMs) })}`;
      return [`${name}: ${share(num, den)}`, words.help, fill(strings.console.rateOf, { num: grouped(num), den: grouped(den) }), asOf];
    });
    return element;
  }

  #update(element, row) {
    element.row = row;
    const [, value, of] = element.children;
    setText(value, share(row.num, row.den));
    setText(of, fill(this.#context.strings.console.rateOf, { num: grouped(row.num), den: grouped(row.den) }));
  }
}

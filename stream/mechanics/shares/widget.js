// What viewers see of shares: how often, by how many people, and the three channels that are used most.

import { foreign, h, setText, svg } from "../../dom.js";
import { roll } from "../../overlay/motion.js";
import { nameOf } from "../../overlay/subject.js";
import { Widget } from "../../overlay/widget.js";
import { compact, pieces } from "../../text.js";

export const styles = new URL("widget.css", import.meta.url).href;

const SHARE = "M13.5 4.5 21 11l-7.5 6.5v-4C8.5 13.5 5.2 15 3 19c.6-6 4-9.6 10.5-10.4V4.5Z";

/** What viewers call a channel: as the address says, else as the language does, else its own word. */
function channelName(channel, words, params) {
  return !params.names.has(channel) && Object.hasOwn(words.names, channel) ? words.names[channel] : nameOf(channel, params);
}

export class SharesWidget extends Widget {
  #figure;
  #people;
  #rows;

  view() {
    const { room, params, strings } = this.context;
    const section = room.overlay?.shares;
    if (!section || section.shares <= 0) return null;
    const words = strings.mechanics.shares;
    const { value, method } = section.sharers;
    const top = section.channels
      .slice(0, 3)
      .map(({ channel, shares }) => ({ name: channelName(channel, words, params), n: compact(shares, strings) }));
    // One word for one, another for more: the words belong to what is built.
    const key = `${section.shares === 1} ${value === 0} ${value === 1} ${top.length}`;
    return { key, shares: section.shares, people: value, about: method !== "exact", top };
  }

  build(view) {
    const words = this.context.strings.mechanics.shares;
    this.#figure = h("span.figure");
    this.#people = h("span");
    const icon = svg("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: SHARE }));
    const said = (text, node) => pieces(text, { n: node }).map((piece) => (typeof piece === "string" ? h("span", {}, piece) : piece));
    const says = h("div.says", {}, icon, ...said(view.shares === 1 ? words.shared : words.shares, this.#figure));
    const by = view.people > 0 ? [h("p.by", {}, ...said(view.people === 1 ? words.person : words.people, this.#people))] : [];
    this.#rows = view.top.map(() => {
      const name = h("span.name");
      const figure = h("span.figure");
      return { name, figure, row: h("li", {}, name, figure) };
    });
    const list = view.top.length > 0 ? [h("ol", {}, ...this.#rows.map(({ row }) => row))] : [];
    this.append(h("div.plate", {}, says, ...by, ...list));
  }

  paint(view, before) {
    const { strings } = this.context;
    const direction = before === null || before.shares === view.shares ? null : before.shares < view.shares ? "up" : "down";
    roll(this.#figure, compact(view.shares, strings), direction);
    setText(this.#people, `${view.about ? "≈" : ""}${compact(view.people, strings)}`);
    view.top.forEach(({ name, n }, place) => {
      if (before?.top[place].name !== name) this.#rows[place].name.replaceChildren(foreign(name));
      setText(this.#rows[place].figure, n);
    });
  }
}

export const widgets = { shares: SharesWidget };

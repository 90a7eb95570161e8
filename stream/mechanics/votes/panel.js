// What a host sees of votes: each poll that is shown, newest first, and what is in none of them, where there is any.

import { foreign, h, setText } from "../../dom.js";
import { clean, fill, grouped, share, timeOfDay } from "../../text.js";
import { keyed } from "../../console/keyed.js";

const BESIDE = ["more", "waiting", "unknown", "unheard", "beyond"];
const STYLES = new URL("panel.css", import.meta.url).href;

/** @returns {{ root: Element, render: (section: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.votes;
  document.head.append(h("link", { rel: "stylesheet", href: STYLES }));
  const polls = h("div.polls");
  const figures = BESIDE.map((name) => {
    const value = h("dd", {}, "–");
    return { name, value, box: h("div", { "data-figure": name }, h("dt", {}, words.figures[name]), value) };
  });
  const rest = h("dl.figures", {}, ...figures.map(({ box }) => box));
  return {
    root: h("div", {}, polls, rest),
    render(section) {
      const beyond = section.beyond ?? 0;
      keyed(polls, placed(section.polls), placeOf, pollOf, (element, { item }) => paint(element, item, beyond, strings));
      for (const { name, value, box } of figures) {
        setText(value, grouped(section[name] ?? 0));
        box.hidden = !section[name];
      }
      rest.hidden = figures.every(({ box }) => box.hidden);
    },
  };
}

/** Items with their places as keys: ids are foreign, and two might be alike. */
function placed(items) {
  return items.map((item, place) => ({ item, place }));
}

function placeOf({ place }) {
  return String(place);
}

function pollOf() {
  const head = [h("th", { scope: "col" }), h("th", { scope: "col" })];
  const table = h("table.money", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody"));
  return h("div.poll", {}, h("div.question"), table);
}

function paint(element, poll, beyond, strings) {
  const words = strings.mechanics.votes;
  const [question, table] = element.children;
  const [head, body] = table.children;
  const [status, voters] = head.firstElementChild.children;
  setForeign(question, clean(poll.question, 200));
  if (table.ariaLabel !== question.title) table.ariaLabel = question.title;
  setText(status, statusOf(poll, words));
  // The denominator of every share below.
  const said = beyond > 0 ? words.leastVoters : poll.voters === 1 ? words.voter : words.voters;
  setText(voters, fill(said, { n: grouped(poll.voters) }));
  const leaders = poll.options.filter(({ leads }) => leads).length;
  const others = poll.other > 0 ? [{ text: words.other, votes: poll.other, isOther: true }] : [];
  keyed(
    body,
    placed([...poll.options, ...others]),
    placeOf,
    () => h("tr", {}, h("th", { scope: "row" }, h("b"), " ", h("span")), h("td")),
    (row, { item: option }) => {
      const [name, count] = row.children;
      const [mark, text] = name.children;
      setForeign(text, clean(option.text, 80));
      setText(mark, !option.leads ? "" : leaders > 1 ? words.tie : words.most);
      const part = !option.isOther && beyond === 0 ? ` · ${share(option.votes, poll.voters)}` : "";
      setText(count, `${beyond > 0 ? "≥" : ""}${grouped(option.votes)}${part}`);
    },
  );
}

function statusOf({ status, ends_at_ms: endsAtMs }, words) {
  const ended = status === "closed";
  if (endsAtMs === null || endsAtMs === undefined) return ended ? words.closed : words.open;
  return fill(ended ? words.closedAt : words.openUntil, { time: timeOfDay(endsAtMs) });
}

/** What is too long for its place is whole in the title. */
function setForeign(element, text) {
  if (element.title === text) return;
  element.title = text;
  element.replaceChildren(foreign(text));
}

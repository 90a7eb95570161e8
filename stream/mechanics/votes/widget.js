// What viewers see of votes: the poll that was opened last, its options with bars, and that it is closed.

import { foreign, h, setText } from "../../dom.js";
import { pulse, roll } from "../../overlay/motion.js";
import { Widget } from "../../overlay/widget.js";
import { clean, compact, fill } from "../../text.js";

export const styles = new URL("widget.css", import.meta.url).href;

/** How long a closed poll stays. */
const CLOSED_SHOWN_MS = 120_000;
/** Beyond this an end is a date, not a countdown. */
const AHEAD_MAX_MS = 24 * 3_600_000;
const SECOND_MS = 1_000;
/** More options than these stand in two columns. */
const FEW = 5;
const QUESTION_CHARS = 120;
const OPTION_CHARS = 60;

/** Whole seconds as on a clock, rounded up: nothing reads 0:00 before the end. */
function clock(leftMs) {
  const seconds = Math.ceil(leftMs / SECOND_MS);
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** Whole per cent, rounded down: 100 % means all, and no vote that there is reads as none. */
function percent(share) {
  return share > 0 && share < 0.01 ? "<1%" : `${Math.floor(share * 100 + 1e-9)}%`;
}

export class PollWidget extends Widget {
  #parts;

  view() {
    const { room, strings } = this.context;
    const section = room.overlay?.votes;
    const poll = section?.polls[0];
    if (!poll) return null;
    const { ends_at_ms: endsAtMs = null, voters, options } = poll;
    const closed = poll.status === "closed";
    const leftMs = endsAtMs === null ? Infinity : endsAtMs - room.now();
    if (closed && leftMs <= -CLOSED_SHOWN_MS) return null;
    // With votes beyond the bound no share is known, and all votes are least values.
    const least = (section.beyond ?? 0) > 0;
    const leaders = options.filter(({ leads }) => leads).length;
    return {
      key: JSON.stringify([poll.poll_id, least, options.map(({ option_id }) => option_id)]),
      question: clean(poll.question, QUESTION_CHARS),
      closed,
      endsAtMs,
      time: !closed && leftMs > 0 && leftMs <= AHEAD_MAX_MS ? clock(leftMs) : "",
      least,
      voters,
      options: options.map(({ text, votes, leads }) => ({
        text: clean(text, OPTION_CHARS),
        votes,
        share: voters > 0 ? votes / voters : 0,
        mark: !leads ? "" : leaders > 1 ? "tie" : "most",
        n: compact(votes, strings),
      })),
    };
  }

  build(view) {
    const [question, voters, aside] = [h("div.question"), h("span"), h("span.aside")];
    const foot = h("div.head.foot", {}, voters, aside);
    const rows = view.options.map(() => {
      const [name, mark, figure, votes] = [h("span.name"), h("span.chip.mark"), h("span.figure"), h("span.votes")];
      const filled = h("span.filled");
      const bar = h("div.bar", { "aria-hidden": "true" }, filled);
      return { name, mark, figure, votes, filled, row: h("li", {}, h("span.text", {}, name, mark), figure, bar, votes) };
    });
    const kind = `ol${view.least ? ".least" : ""}${rows.length > FEW ? ".many" : ""}`;
    this.append(h("div.plate", {}, question, h(kind, {}, ...rows.map(({ row }) => row)), foot));
    this.#parts = { question, voters, aside, foot, rows };
  }

  paint(view, before) {
    const { strings } = this.context;
    const words = strings.mechanics.votes;
    const { question, voters, aside, foot, rows } = this.#parts;
    if (before?.question !== view.question) question.replaceChildren(foreign(view.question));
    setText(aside, view.closed ? words.closed : view.time ? fill(words.closesIn, { time: view.time }) : "");
    aside.classList.toggle("chip", view.closed);
    const moved = before !== null && (view.closed !== before.closed || view.endsAtMs !== before.endsAtMs);
    if (moved) pulse(aside);
    const said = view.least ? words.leastVoters : view.voters === 1 ? words.voter : words.voters;
    setText(voters, view.voters > 0 ? fill(said, { n: compact(view.voters, strings) }) : "");
    foot.hidden = !voters.textContent && !aside.textContent;
    view.options.forEach((option, place) => {
      const { name, mark, figure, votes, filled } = rows[place];
      const had = before?.options[place];
      if (had?.text !== option.text) name.replaceChildren(foreign(option.text));
      setText(mark, option.mark ? words[option.mark] : "");
      mark.hidden = !option.mark;
      const counted = view.voters > 0;
      const direction = had === undefined || had.share === option.share ? null : had.share < option.share ? "up" : "down";
      roll(figure, counted && !view.least ? percent(option.share) : "", direction);
      setText(votes, counted ? `${view.least ? "≥" : ""}${option.n}` : "");
      filled.style.inlineSize = `${(option.share * 100).toFixed(2)}%`;
    });
  }

  changesIn(view) {
    if (view.endsAtMs === null) return Infinity;
    const leftMs = view.endsAtMs - this.context.room.now();
    if (view.closed) return leftMs + CLOSED_SHOWN_MS;
    if (leftMs > AHEAD_MAX_MS) return leftMs - AHEAD_MAX_MS;
    return leftMs > 0 ? ((leftMs - 1) % SECOND_MS) + 1 : Infinity;
  }
}

export const widgets = { poll: PollWidget };

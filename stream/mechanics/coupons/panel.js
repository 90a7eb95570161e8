// What a host sees of coupons: of each one what is left, its conversion, and below them where its pieces are.

import { foreign, h, setText } from "../../dom.js";
import { clean, fill, grouped, share } from "../../text.js";
import { keyed } from "../../console/keyed.js";

const SUMS = ["unmatched", "beyond"];
/** A longer title would push its figures out of the panel; all of it is in the tooltip. */
const TITLE_CHARS = 14;

/** @returns {{ root: Element, render: (section: object) => void }} */
export function panel({ strings }) {
  const words = strings.mechanics.coupons;
  const heads = [words.coupon, words.leftOf, words.conversion];
  const body = h("tbody");
  const table = h("table.money", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), body);
  const note = h("p");
  note.style.margin = "0";
  return {
    // What is left is a greatest value while takes are not counted: so how many these are comes first.
    root: h("div.parts", {}, note, table),
    render(section) {
      const sums = SUMS.filter((name) => section[name] > 0); // absent where there are none
      setText(note, sums.map((name) => `${words.figures[name]}: ${grouped(section[name])}`).join(" · "));
      note.hidden = sums.length === 0;
      table.hidden = section.coupons.length === 0;
      keyed(
        body,
        section.coupons.flatMap((coupon, place) => [
          { key: `${place} figures`, create: figuresRow, paint: paintFigures, coupon },
          { key: `${place} pieces`, create: piecesRow, paint: paintPieces, coupon },
        ]),
        ({ key }) => key,
        ({ create }) => create(),
        (row, { paint, coupon }) => paint(row, coupon, words),
      );
    },
  };
}

function figuresRow() {
  return h("tr", {}, h("th", { scope: "row" }), h("td"), h("td"));
}

function paintFigures(row, { coupon_id, title, offered, left, used, handed_out }) {
  const [name, stock, conversion] = row.children;
  const whole = clean(title ?? coupon_id, 128);
  if (name.title !== whole) {
    name.title = whole;
    name.replaceChildren(foreign(clean(whole, TITLE_CHARS)));
  }
  setText(stock, typeof offered === "number" ? `${grouped(left)} / ${grouped(offered)}` : "–");
  setText(conversion, share(used, handed_out));
}

/** Where the pieces of a coupon are, in words that may take more than one line. */
function piecesRow() {
  const cell = h("td", { colspan: "3" });
  cell.style.whiteSpace = "normal";
  cell.style.fontWeight = "500";
  return h("tr", {}, cell);
}

function paintPieces(row, coupon, words) {
  // What should not be is said where there is any; the rest always.
  const also = ["overdrawn", "refused"].filter((piece) => coupon[piece] > 0);
  const counts = ["taken", "returned", "expired", ...also].map((piece) => fill(words.pieces[piece], { n: grouped(coupon[piece]) }));
  const used = fill(words.pieces.used, { n: grouped(coupon.used), total: grouped(coupon.handed_out) });
  setText(row.firstElementChild, [used, ...counts].join(" · "));
}

// The marks of a history, in a word or two each.

import { clean, fill, grouped } from "../text.js";

/** Kinds that a curve shows. A change of level is none: the curve itself shows the rush. */
const SHOWN = ["sale_opened", "restocked", "all_taken", "sold_out", "sale_ended", "oversold", "gap"];

/** `[{ atMs, label }]`, oldest first. `nameOf`: the name of a SKU, else its id. */
export function marksOf(marks, strings, nameOf = (skuId) => skuId) {
  const words = strings.wall.marks;
  return marks
    .filter((mark) => SHOWN.includes(mark.kind))
    .map((mark) => ({ atMs: mark.at_ms, label: labelOf(mark, words, nameOf) }))
    .sort((one, other) => one.atMs - other.atMs);
}

function labelOf(mark, words, nameOf) {
  const n = Number.isSafeInteger(mark.value) ? grouped(mark.value) : "";
  const word = fill(words[mark.kind], { n }).trim();
  return mark.sku_id && mark.kind !== "gap" ? `${word} ${clean(nameOf(mark.sku_id), 14)}` : word;
}

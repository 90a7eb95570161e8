// Words for the rules of levels, for claims and for withheld claims. They are those of the terminal view.

import { clean, countdown, duration, fill, grouped, span, timeOfDay, windowOf } from "../text.js";

/** The reasons of a level, one line each. */
export function becauseLines(because, level, strings) {
  const words = strings.console;
  if (level in words.fixed) return [words.fixed[level]];
  if (!because?.length) return [words.noReason];
  return because.map(({ rule, value, threshold }) =>
    Object.hasOwn(words.rules, rule)
      ? fill(words.rules[rule], { value: figure(value), threshold: figure(threshold) })
      : fill(words.ruleOther, { rule: clean(rule, 40), value: figure(value), threshold: figure(threshold) }),
  );
}

function figure(value) {
  return Math.abs(value) >= 1000 ? grouped(value) : String(Number(value.toFixed(value >= 100 ? 0 : 1)));
}

/** The text of a claim at this moment. */
export function claimText(claim, strings, nowMs) {
  const text =
    (claim.window_ms !== null ? strings.claims[`${claim.claim} window`] : undefined) ?? strings.claims[claim.claim];
  let value = "";
  if (Array.isArray(claim.value)) {
    // An unknown claim may have any number of figures.
    value = claim.value.length === 2 ? span(claim.value[0], claim.value[1], strings) : claim.value.map(grouped).join(", ");
  } else if (claim.unit === "ms") {
    const left = claim.value - (nowMs - claim.as_of_ms);
    value = left < 10_000 ? fill(strings.seconds, { n: countdown(left, strings) }) : duration(left, strings);
  } else value = grouped(claim.value);
  if (!text) return `${clean(claim.claim, 40)}: ${value}`;
  const coverage = claim.inputs.coverage;
  return fill(text, {
    value,
    window: claim.window_ms === null ? "" : windowOf(claim.window_ms, strings),
    coverage: coverage === null || coverage === undefined ? "?" : Math.round(coverage * 100),
  });
}

/** The name of a withheld claim and the reason. */
export function withheldText(withheld, sales, strings) {
  const name = strings.claimNames[withheld.claim] ?? clean(withheld.claim, 40);
  const sale = sales.find((each) => each.sale_id === withheld.sale_id && each.sku_id === withheld.sku_id);
  let reason =
    strings.withheldOf[`${withheld.claim} ${withheld.reason}`] ??
    strings.withheld[withheld.reason] ??
    clean(withheld.reason, 60);
  if (withheld.reason === "restock_planned" && sale?.restock_planned_at_ms) {
    reason = fill(strings.restockAt, { time: timeOfDay(sale.restock_planned_at_ms, false) });
  }
  return { name, reason };
}

/** The text of what a host took back; "" for a correction that only a newer worker knows. */
export function correctionText({ what, before, now }, strings) {
  const words = strings.console.sale;
  const told = (value) => {
    if (value === null || value === undefined) return words.noEnd;
    return what === "offered" ? grouped(value) : timeOfDay(value);
  };
  return Object.hasOwn(words.corrections, what) ? fill(words.corrections[what], { before: told(before), now: told(now) }) : "";
}

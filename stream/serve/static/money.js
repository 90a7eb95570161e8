// Money for people: the reader's own sign of the currency, and the figure whole or shortened.

import { amount, clean, compact, grouped, minorUnits } from "./text.js";

const signs = new Map();

/** The sign of a currency as the reader knows it, such as `¥`, `CN¥` or `US$`; a code without one keeps its letters. */
export function signOf(currency, lang) {
  if (!currency) return "";
  const key = `${lang} ${currency}`;
  if (!signs.has(key)) signs.set(key, /^[A-Z]{3}$/.test(currency) ? foundSign(currency, lang) : `${clean(currency, 8)} `);
  return signs.get(key);
}

function foundSign(currency, lang) {
  const parts = new Intl.NumberFormat(lang, { style: "currency", currency }).formatToParts(0);
  const sign = parts.find(({ type }) => type === "currency")?.value ?? currency;
  return /\p{L}$/u.test(sign) ? `${sign} ` : sign;
}

/** Minor units → `¥2,182,830`; with `cents` also the part of a unit. Rounded towards zero. */
export function money(minor, currency, lang, { cents = false } = {}) {
  const text = amount(minor, currency);
  const negative = text.startsWith("−");
  const digits = negative ? text.slice(1) : text;
  return `${negative ? "−" : ""}${signOf(currency, lang)}${cents ? digits : digits.split(".")[0]}`;
}

/** Minor units → `¥218.2 万`, `CN¥2.18M`. Rounded towards zero. */
export function shortMoney(minor, currency, lang, strings) {
  const units = Math.floor(Math.abs(minor) / minorUnits(currency));
  return `${minor < 0 ? "−" : ""}${signOf(currency, lang)}${compact(units, strings)}`;
}

/** The same for hosts, who compare digits: whole in English, in hundredths of 万 in Chinese. Rounded towards zero. */
export function hostMoney(minor, currency, lang, strings) {
  const units = Math.floor(Math.abs(minor) / minorUnits(currency));
  const [size, unit] = strings.sumSizes.find(([least]) => units >= least) ?? [1, ""];
  const hundredths = Math.floor((units * 100) / size);
  const rest = unit ? `.${String(hundredths % 100).padStart(2, "0")}${unit}` : "";
  return `${minor < 0 ? "−" : ""}${signOf(currency, lang)}${grouped(Math.floor(hundredths / 100))}${rest}`;
}

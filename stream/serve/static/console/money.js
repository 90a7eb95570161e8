// Sums for hosts: the sign that people write, and 万 in Chinese. The full sum stands beside, for the ear and in the bubble.

import { amount, clean, compact, grouped, minorUnits } from "../text.js";

const SIGNS = { CNY: "¥", USD: "$", EUR: "€", GBP: "£", KRW: "₩", INR: "₹", VND: "₫", THB: "฿", PHP: "₱" };

/** The sign of a currency, or its code. */
export function signOf(currency) {
  return Object.hasOwn(SIGNS, currency) ? SIGNS[currency] : clean(currency, 8);
}

/** A sum beside an axis, as short as it gets: `¥2M`, `¥200 万`, `500`. */
export function axisSumOf(minor, currency, strings) {
  const sign = Object.hasOwn(SIGNS, currency) ? SIGNS[currency] : "";
  return `${sign}${compact(Math.floor(minor / minorUnits(currency)), strings)}`;
}

/** A sum in full: `¥2,182,830.00`; a currency without a sign of its own has its code: `JPY 500`. */
export function sumOf(minor, currency) {
  const sign = Object.hasOwn(SIGNS, currency) ? SIGNS[currency] : `${clean(currency, 8)} `;
  const text = amount(minor, currency);
  return text.startsWith("−") ? `−${sign}${text.slice(1)}` : `${sign}${text}`;
}

/** The same for the eye, rounded down: `¥218.28 万`, `¥2,182,830`. */
export function shortSumOf(minor, currency, strings) {
  const sign = Object.hasOwn(SIGNS, currency) ? SIGNS[currency] : `${clean(currency, 8)} `;
  const units = Math.floor(Math.abs(minor) / minorUnits(currency));
  const minus = minor < 0 ? "−" : "";
  for (const [size, unit] of strings.sumSizes) {
    if (units < size) continue;
    const hundredths = Math.floor((units * 100) / size);
    return `${minus}${sign}${grouped(Math.floor(hundredths / 100))}.${String(hundredths % 100).padStart(2, "0")}${unit}`;
  }
  return `${minus}${sign}${grouped(units)}`;
}

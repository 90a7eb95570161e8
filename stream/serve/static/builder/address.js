// Choices → the address of the overlay page. The address lists only what differs from the default, and so stays short.

import { DEFAULTS, HOMES } from "../overlay/params.js";

/**
 * @param {object} chosen
 * @param {Map<string, string>} chosen.widgets  name → place, in the order of the page
 * @param {string|URL} page                     the overlay page
 */
export function addressOf(chosen, page) {
  const url = new URL(page);
  const widgets = [...chosen.widgets].map(([name, place]) => (place === HOMES[name] ? name : `${name}@${place}`)).join(",");
  const values = { ...chosen, widgets };
  const parts = [];
  for (const name of Object.keys(DEFAULTS)) {
    const value = String(values[name] ?? "").trim();
    if (value !== "" && value !== DEFAULTS[name]) parts.push(`${name}=${readable(value)}`);
  }
  url.search = parts.join("&");
  return url;
}

/** The encoded value. Commas, colons and @ stay as people write them. */
function readable(value) {
  return encodeURIComponent(value).replace(/%(2C|3A|40)/g, (code) => decodeURIComponent(code));
}

// Pictures of other people: shown from the hosts that the server lists, over https, and from nowhere else. The policy of
// the page says the same to the browser, so a mistake here shows nothing.

import { h } from "./dom.js";
import { PICTURE_HOSTS } from "./picture-hosts.js";

const MAX_CHARS = 2_000;

/**
 * The address of a picture as a page may load it; null: it may not.
 *
 * @param {unknown} address  untrusted
 * @param {string[]} hosts   in small letters; with a port where it is not that of https
 * @returns {string | null}
 */
export function pictureAddress(address, hosts = PICTURE_HOSTS) {
  if (typeof address !== "string" || address.length > MAX_CHARS) return null;
  // What a browser would mend, it would also read in another way than the list was written.
  if (!/^https:\/\/[A-Za-z0-9]/.test(address) || /[\s\\\p{C}]/u.test(address)) return null;
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  const isPlain = url.protocol === "https:" && url.username === "" && url.password === "";
  return isPlain && hosts.includes(url.host) ? url.href : null;
}

/**
 * A picture, or null where it may not be loaded. It takes itself away when it does not load. It says nothing: its name
 * stands beside it.
 *
 * @param {unknown} address  untrusted
 * @returns {HTMLImageElement | null}
 */
export function picture(address, hosts = PICTURE_HOSTS) {
  const src = pictureAddress(address, hosts);
  if (src === null) return null;
  const shown = h("img.picture", { alt: "", decoding: "async", referrerpolicy: "no-referrer", draggable: "false" });
  shown.addEventListener("error", () => shown.remove(), { once: true });
  shown.src = src;
  return shown;
}

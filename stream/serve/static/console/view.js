// The choices of a console. They are kept in the address, so that a link holds the whole view.

import { languageOf } from "../language.js";
import { takeToken } from "./access-token.js";
import { GROUPS } from "./episodes.js";

export const WINDOWS = [60_000, 300_000, 1_800_000, null];
export const RANGES = [300_000, 1_800_000, 0];

/** Fires "change". `token` is that of this tab for `room`; "" is the list of rooms. */
export class View extends EventTarget {
  constructor(room = "") {
    super();
    this.token = takeToken(room);
    const query = new URLSearchParams(location.search);
    this.lang = languageOf(query.get("lang"));
    this.theme = ["dark", "light"].includes(query.get("theme"))
      ? query.get("theme")
      : matchMedia("(prefers-color-scheme: light)").matches
        ? "light"
        : "dark";
    this.window = query.get("window") === "session" ? null : (WINDOWS.find((each) => String(each) === query.get("window")) ?? 300_000);
    this.range = RANGES.find((each) => String(each) === query.get("range")) ?? RANGES[0];
    this.sale = query.get("sale") ?? "";
    this.q = query.get("q") ?? "";
    this.sort = query.get("sort") ?? "";
    this.by = query.get("by") ?? "";
    this.events = GROUPS.includes(query.get("events")) ? query.get("events") : "";
    this.page = /^[1-9]\d{0,3}$/.test(query.get("page") ?? "") ? Number(query.get("page")) : 1;
    this.#dress();
  }

  /** Changes some choices: `set({ window: null })`. */
  set(chosen) {
    const language = chosen.lang !== undefined && chosen.lang !== this.lang;
    Object.assign(this, chosen);
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(chosen)) {
      if (value === "") query.delete(name);
      else query.set(name, name === "window" && value === null ? "session" : String(value));
    }
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    if (language) location.reload(); // every word of the page changes
    this.#dress();
    this.dispatchEvent(new Event("change"));
  }

  /** The address of another page of the console, with language and theme. The tab brings its token. */
  link(path) {
    const query = new URLSearchParams();
    for (const name of ["lang", "theme", "names"]) {
      const value = new URLSearchParams(location.search).get(name);
      if (value) query.set(name, value);
    }
    return query.size ? `${path}${path.includes("?") ? "&" : "?"}${query}` : path;
  }

  #dress() {
    document.documentElement.dataset.theme = this.theme;
    document.documentElement.lang = this.lang;
  }
}

// One bubble explains any figure of a page, on pointing and on focus. Its content follows the figure.

import { h } from "../dom.js";

const about = new WeakMap();
const bubble = h("div.bubble", { id: "explanation", role: "tooltip", hidden: true });
let shownFor = null;

/**
 * @param {Element} element  becomes reachable by keyboard
 * @param {() => (string|Node|null)[]} lines  called again whenever the figures change
 */
export function explain(element, lines) {
  about.set(element, lines);
  if (!element.matches("button, a, input, select, summary")) element.tabIndex = 0;
  element.dataset.explained = "";
}

/** Starts the bubble. Call once a page. */
export function startExplaining() {
  // Within a landmark, as everything that a page says.
  (document.querySelector("header") ?? document.body).append(bubble);
  const find = (target) => (target instanceof Element ? target.closest("[data-explained]") : null);
  document.addEventListener("pointerover", (event) => {
    const element = find(event.target);
    if (element) show(element);
    else if (document.activeElement?.dataset?.explained === undefined) hide();
  });
  document.addEventListener("pointerleave", hide);
  document.addEventListener("focusin", (event) => {
    const element = find(event.target);
    if (element && element === event.target) show(element);
    else hide();
  });
  document.addEventListener("focusout", hide);
  addEventListener("scroll", follow, { capture: true, passive: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

/** Refreshes the bubble after the figures changed. */
export function refreshExplanation() {
  if (shownFor === null) return;
  if (shownFor.isConnected) fillBubble();
  else hide();
}

function show(element) {
  if (shownFor !== null && shownFor !== element) hide();
  shownFor = element;
  fillBubble();
}

function fillBubble() {
  const lines = (about.get(shownFor)?.() ?? []).filter((line) => line !== null && line !== "");
  if (!lines.length) {
    hide();
    return;
  }
  bubble.replaceChildren(...lines.map((line, place) => h(place ? "p" : "p.first", {}, line)));
  bubble.hidden = false;
  shownFor.setAttribute("aria-describedby", bubble.id);
  place();
}

/** Places the bubble below the figure, or above if there is no room, always within the window. */
function place() {
  const figure = shownFor.getBoundingClientRect();
  const size = bubble.getBoundingClientRect();
  const inline = Math.min(Math.max(8, figure.left), innerWidth - size.width - 8);
  const below = figure.bottom + 6 + size.height < innerHeight;
  bubble.style.left = `${Math.max(8, inline)}px`;
  bubble.style.top = `${Math.max(8, below ? figure.bottom + 6 : figure.top - size.height - 6)}px`;
}

/** A page scrolls to what is focused out of view: the bubble goes with it. What is only pointed at is left behind. */
function follow() {
  if (shownFor !== null && shownFor === document.activeElement) place();
  else hide();
}

function hide() {
  if (shownFor === null) return;
  shownFor.removeAttribute("aria-describedby");
  shownFor = null;
  bubble.hidden = true;
}

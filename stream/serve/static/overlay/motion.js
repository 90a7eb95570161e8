// Movement that shows a change and stops. No movement here repeats by itself.

const ROLL_MS = 250;
const PULSE_MS = 500;

const reduced = matchMedia("(prefers-reduced-motion: reduce)");
/** The elements that move now. The browser's own list would first compute the style of the whole page. */
const moving = new WeakSet();
let off = false;

/** `motion=off` in the address: cuts instead of movement, whatever the system's setting. */
export function turnMotionOff() {
  off = true;
  document.documentElement.dataset.motion = "off";
}

export function moves() {
  return !off && !reduced.matches;
}

/** Moves an element, unless it still moves. */
function once(element, keyframes, duration) {
  if (!moves() || moving.has(element)) return;
  moving.add(element);
  const animation = element.animate(keyframes, { duration, easing: "ease-out" });
  animation.onfinish = animation.oncancel = () => moving.delete(element);
}

/** Fades an element in, 200 ms. */
export function arrive(element) {
  if (moves()) element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 200, easing: "ease-out" });
}

/** Pulses once, unless a pulse still lasts: so never more than twice a second. */
export function pulse(element) {
  once(element, [{ scale: 1 }, { scale: 1.08, offset: 0.35 }, { scale: 1 }], PULSE_MS);
}

/** Slides a line into another one's place. */
export function slideIn(element) {
  if (!moves()) return;
  element.animate(
    [
      { opacity: 0, translate: "0 45%" },
      { opacity: 1, translate: "0 0" },
    ],
    { duration: ROLL_MS, easing: "ease-out" },
  );
}

/**
 * Rolls the changed digits of a figure. The text is always the true figure: only its place moves.
 *
 * @param {HTMLElement} element  holds one span a character
 * @param {string} text
 * @param {"up"|"down"|null} direction  null: no roll (the first time, or a new subject)
 */
export function roll(element, text, direction) {
  const before = element.textContent;
  if (before === text) return;
  const chars = Array.from(text);
  while (element.children.length > chars.length) element.firstElementChild.remove();
  while (element.children.length < chars.length) element.prepend(document.createElement("span"));
  // Compared from the end: digits keep their places there.
  const old = Array.from(before.padStart(chars.length, " ")).slice(-chars.length);
  chars.forEach((char, place) => {
    const digit = element.children[place];
    if (digit.textContent === char) return;
    digit.textContent = char;
    if (direction === null || old[place] === char) return;
    const from = direction === "up" ? "0 40%" : "0 -40%";
    once(digit, [{ translate: from, opacity: 0.2 }, { translate: "0 0", opacity: 1 }], ROLL_MS);
  });
}

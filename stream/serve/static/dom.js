// Builds elements without markup: every text goes through `textContent`, and so stays text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag        with classes: `div.plate.wide`
 * @param {object} attributes  set as attributes; null leaves one out
 * @param {...(Node|string)} children
 */
export function h(tag, attributes = {}, ...children) {
  return built(document.createElement(tag.split(".")[0]), tag, attributes, children);
}

/** The same as `h`, for an element of an SVG drawing. */
export function svg(tag, attributes = {}, ...children) {
  return built(document.createElementNS(SVG, tag.split(".")[0]), tag, attributes, children);
}

function built(element, tag, attributes, children) {
  const classes = tag.split(".").slice(1);
  if (classes.length) element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Sets a text if it differs: an equal text costs no frame. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Foreign text in an element that isolates its direction. */
export function foreign(text) {
  return h("bdi", {}, text);
}

// Lists that keep their elements: a focused element keeps the focus while its figures change.

/**
 * @param {Element} parent
 * @param {Array} items
 * @param {(item) => string} keyOf
 * @param {(item) => Element} create
 * @param {(element: Element, item) => void} update
 */
export function keyed(parent, items, keyOf, create, update) {
  const old = new Map();
  for (const element of parent.children) old.set(element.dataset.key, element);
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = old.get(key);
    if (element === undefined) {
      element = create(item);
      element.dataset.key = key;
    } else {
      old.delete(key);
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of old.values()) element.remove();
}

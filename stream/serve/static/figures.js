// What a mechanic's section says, figure by figure: the same names as in an audit and in `snapup watch`.

/**
 * The figures of a section in the order of its fields: `[["coins", 1200], ["top.1.who", "小"], …]`. A distinct count stays
 * an object, `{ value, method, error_95 }`.
 *
 * @returns {Array<[string, number | string | boolean | null | object]>}
 */
export function figuresOf(section) {
  return [...figures("", section)];
}

function* figures(name, value) {
  if (typeof value !== "object" || value === null || isCount(value)) {
    yield [name, value ?? null];
    return;
  }
  const inside = Array.isArray(value) ? value.map((each, place) => [place + 1, each]) : Object.entries(value);
  for (const [key, each] of inside) yield* figures(name ? `${name}.${key}` : String(key), each);
}

/** Whether it is a distinct count. */
export function isCount(value) {
  return typeof value === "object" && value !== null && Number.isSafeInteger(value.value) && typeof value.method === "string";
}

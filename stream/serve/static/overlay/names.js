// What to call products: the form of `names=` in an address. A backslash before a comma, a colon or a backslash takes
// the meaning of a separator from it.

const NAMES_MAX = 200;

/**
 * `sku-881:Wool coat,sku-412:Scarf\, red` → id → name. Without backslashes a part that has no colon goes on with the
 * name before it, and of several colons the last one before which an id can stand ends the id: ids may have colons, and
 * have no blanks.
 */
export function namesOf(text) {
  const names = new Map();
  const parts = text.match(/(?:\\.|\\$|[^\\,，])+|[,，]/gsu) ?? [];
  let id = null;
  let comma = "";
  for (const part of parts.slice(0, 2 * NAMES_MAX)) {
    if (part === "," || part === "，") {
      comma = part;
      continue;
    }
    const at = separatorIn(part);
    if (at > 0) {
      id = unescaped(part.slice(0, at));
      names.set(id, unescaped(part.slice(at + 1)));
    } else if (id !== null && part.trim()) names.set(id, names.get(id) + comma + unescaped(part, (each) => each.trimEnd()));
  }
  return names;
}

/** One part of the form: `sku-412:Scarf\, red`. */
export function nameWritten(id, name) {
  return `${escaped(id)}:${escaped(name)}`;
}

/** The place of the colon that ends the id; -1: there is none. */
function separatorIn(part) {
  const colons = [...part.matchAll(/\\.|：|:/gsu)].filter(({ 0: found }) => !found.startsWith("\\"));
  const wide = colons.find(({ 0: found }) => found === "：")?.index ?? Infinity;
  const plain = colons.filter(({ 0: found, index }) => found === ":" && index < wide).map(({ index }) => index);
  const ids = plain.filter((at) => /^(?:\\.|[^\s\\])+$/su.test(part.slice(0, at).trim()));
  const at = ids.at(-1) ?? plain[0] ?? wide;
  return at === Infinity ? -1 : at;
}

function unescaped(text, trim = (each) => each.trim()) {
  return trim(text).replace(/\\(.)/gsu, "$1");
}

function escaped(text) {
  return text.replace(/[\\,，:：]/g, "\\$&");
}

// Ids of other systems → ids of Snapup's contract. Copy this file; it needs nothing. Node 19 or newer, Deno, Bun, workers,
// and browsers on pages that came by https: they hash only there, and only asynchronously. The rule: docs/contract.md.

const MAX_ID_CHARS = 64;
const MAX_PREFIX_CHARS = 31;
const LIKE_A_HASH = /^h[0-9a-f]{32}$/;
const NOBODY = new Set([
  "-", "0", "0.0", "-1", "-1.0", "00000000-0000-0000-0000-000000000000", "0".repeat(32),
  "anon", "anonymous", "guest", "n.a.", "na", "nan", "nil", "none", "null", "undefined", "unknown",
]);

const hex = (byte) => byte.toString(16).padStart(2, "0");

/** The id for a foreign text, behind a prefix such as "tt:". Throws a RangeError for an empty text and for a bad prefix. */
export async function contractId(text, prefix = "") {
  if (typeof text !== "string" || text === "") throw new RangeError("a text that is not empty is needed");
  if (!/^[A-Za-z0-9._:-]*$/.test(prefix) || prefix.length > MAX_PREFIX_CHARS) throw new RangeError(`no prefix: ${prefix}`);
  const bytes = new TextEncoder().encode(text);
  const kept = (byte) => /[A-Za-z0-9._-]/.test(String.fromCharCode(byte));
  const encoded = Array.from(bytes, (byte) => (kept(byte) ? String.fromCharCode(byte) : `:${hex(byte).toUpperCase()}`)).join("");
  if (prefix.length + encoded.length <= MAX_ID_CHARS && !LIKE_A_HASH.test(encoded)) return prefix + encoded;
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
  return `${prefix}h${Array.from(digest.subarray(0, 16), hex).join("")}`;
}

/** The user_id of a person; "-" where nobody says who it was. */
export async function personId(text, prefix = "") {
  return text === null || text === undefined || text === "" || NOBODY.has(text.toLowerCase()) ? "-" : contractId(text, prefix);
}

// Writes tiktok-node.ndjson: the same invented room as npm `tiktok-live-connector` 2.5.0 hands it on.
// Run by hand where the library is (`npm install tiktok-live-connector@2.5.0`): `node make_tiktok.mjs > tiktok-node.ndjson`.
import { readFileSync } from "node:fs";
import * as v3 from "tiktok-live-proto/v3";

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const inCamel = (value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [camel(name), inCamel(inner)]))
    : value;

const TYPES = { common: "CommonMessageData", user: "User", gift: "Gift" };
const TEXT = { key: "", defaultPattern: "", defaultFormat: undefined, pieces: [] };
// A whole message of defaults with these fields: `encode` wants every field.
const whole = (type, fields) => {
  const message = v3[type].decode(new Uint8Array(0));
  for (const [name, value] of Object.entries(fields))
    message[name] = TYPES[name] ? whole(TYPES[name], value) : name === "displayText" ? { ...TEXT, ...value } : value;
  return message;
};

for (const said of JSON.parse(readFileSync(process.argv[2] ?? "tiktok.json", "utf8"))) {
  const type = v3[said.method];
  const bytes = type.encode(whole(said.method, inCamel(said.fields))).finish();
  for (const kind of said.node) console.log(JSON.stringify({ kind, ...type.decode(bytes) }));
}

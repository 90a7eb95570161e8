// Each line: kind, hex digits of the text's UTF-16 units or `-` for none, prefix. Answers each with an id or `!`.
import { readFileSync } from "node:fs";

const { contractId, personId } = await import(process.argv[2]);
for (const line of readFileSync(0, "utf-8").trimEnd().split("\n")) {
  const [kind, digits, prefix] = line.split("\t");
  const units = (digits.match(/[0-9a-f]{4}/g) ?? []).map((four) => parseInt(four, 16));
  const text = digits === "-" ? null : String.fromCharCode(...units);
  const answer = kind === "person" ? personId(text, prefix) : contractId(text, prefix);
  console.log(await answer.catch((refused) => (refused instanceof RangeError ? "!" : String(refused))));
}

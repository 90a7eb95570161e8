// URL SPOOL COUNT: sends so many likes, waits until all are delivered, prints its counts. COUNT -1: waits for ever.
import { SnapupClient, folderSpool } from "../../../docs/clients/snapup-client.mjs";

const [, , url, folder, said] = process.argv;
const LIKES = 40;
const refusals = [];
const client = new SnapupClient(url, {
  key: "a-key", spool: await folderSpool(folder), batchMaxEvents: 8, lingerMs: 10, timeoutMs: 1000, spoolMaxChars: 20_000,
  onRefused: (event, error) => refusals.push(`${event.user_id} ${error.reason}`),
});
for (let number = 0; number < (said === "-1" ? LIKES : Number(said)); number++) {
  client.send("like", "room-1", { user_id: `u${number}`, count: 1 });
}
if (said === "-1") {
  console.log("spooled");
  await client.flush(600_000);
}
const done = await client.close(60_000);
const { sent, acknowledged, refused, dropped, waiting } = client;
console.log(JSON.stringify({ sent, acknowledged, refused, dropped, waiting, done, refusals }));

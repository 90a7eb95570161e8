// Hours of documents, each with figures of its own; levels, sell-outs and restocks among them.
async ({ document: first, from, count }) => {
  const levels = ["calm", "warming", "brisk", "rush", "snap_up", "last_call"];
  for (let number = from; number < from + count; number += 1) {
    const now = Date.now();
    const left = number % 97 === 0 ? 0 : 1 + (number * 7) % 400;
    const made = structuredClone(first);
    Object.assign(made, { rev: number + 1, as_of_ms: now, stale_after_ms: now + 3000 });
    made.totals.likes += number * 3;
    made.totals.watching_now = 1000 + (number * 13) % 50000;
    made.totals.orders.placed += number;
    for (const rate of made.rates) Object.assign(rate, { num: rate.num + number, as_of_ms: now });
    for (const sale of made.sales) {
      Object.assign(sale, { available: left, sold: 4900 - left, restocked: 500 * Math.floor(number / 1000) });
      sale.urgency = { level: levels[Math.floor(number / 40) % 6], since_ms: now, because: [] };
    }
    made.urgency = { ...made.sales[0].urgency, sale_id: made.sales[0].sale_id };
    made.claims = made.claims.map((claim) => ({
      ...claim,
      id: `${claim.claim}:${number}`,
      claim: claim.claim === "stock_left" && left === 0 ? "sold_out" : claim.claim,
      value: { stock_left: left, watching_now: made.totals.watching_now }[claim.claim] ?? claim.value,
      as_of_ms: now,
      valid_until_ms: now + 3000,
    }));
    made.feed = [{ kind: "order", at_ms: now, who: "l***", sku_id: "sku-" + (number % 5), quantity: 1 + number % 3 }];
    const data = JSON.stringify({ server_time_ms: now, overlay: made, state: "live" });
    const event = `event: snapshot\nid: 1-${made.rev}\ndata: ${data}\n\n`;
    window.feed.controller.enqueue(window.feed.encoder.encode(event));
    if (number % 50 === 49) await new Promise((resolve) => setTimeout(resolve));
  }
}

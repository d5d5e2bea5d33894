// The ladder: what is final in the book, and beside it what is on its way and not certified yet.

import { html } from "./vendor/htm-preact.js";

const ROWS = 10;

function pendingBy(pending, side) {
  const found = new Map();
  for (const level of (pending && pending[side]) || []) {
    const parts = [];
    if (Number(level.pending)) parts.push(`+${level.pending}`);
    if (Number(level.cancelling)) parts.push(`−${level.cancelling}`);
    if (parts.length) found.set(level.price, parts.join(" "));
  }
  return found;
}

function Side({ rows, side, pending, most }) {
  return rows.map(
    (row) => html`<tr key=${row.price} class=${side}>
      <td class="pending">${pending.get(row.price) || ""}</td>
      <td class="orders">${row.orders || ""}</td>
      <td class="qty"><meter class="bar" min="0" max=${most} value=${Number(row.qty)} aria-hidden="true"></meter><span>${row.qty}</span></td>
      <th scope="row">${row.price}</th>
    </tr>`,
  );
}

function withPending(rows, pending, side) {
  const known = new Set(rows.map((row) => row.price));
  const more = [...pending.keys()].filter((price) => !known.has(price)).map((price) => ({ price, qty: "0", orders: 0, at: Number(price) }));
  const sign = side === "bids" ? -1 : 1;
  return [...rows, ...more].sort((one, other) => sign * (one.at - other.at)).slice(0, ROWS);
}

export function Ladder({ book, pending }) {
  const buying = pendingBy(pending, "bids"), selling = pendingBy(pending, "asks");
  const asks = withPending(book.levels("asks", ROWS), selling, "asks").reverse();
  const bids = withPending(book.levels("bids", ROWS), buying, "bids");
  const most = Math.max(1, ...[...asks, ...bids].map((row) => Number(row.qty)));
  const [bid, ask] = [bids.find((row) => row.orders), [...asks].reverse().find((row) => row.orders)];
  const spread = bid && ask ? (ask.at - bid.at).toFixed((bid.price.split(".")[1] || "").length) : "";
  return html`<table class="ladder">
    <caption>Final at block ${book.height.toLocaleString("en")}; pending beside it</caption>
    <thead><tr><th scope="col">Pending</th><th scope="col">Orders</th><th scope="col">Quantity</th><th scope="col">Price</th></tr></thead>
    <tbody>
      <${Side} rows=${asks} side="ask" pending=${selling} most=${most} />
      <tr class="middle"><td colspan="4">${book.last ? html`last <strong>${book.last.price}</strong>` : "nothing traded yet"}${spread && html`, spread ${spread}`}</td></tr>
      <${Side} rows=${bids} side="bid" pending=${buying} most=${most} />
    </tbody>
  </table>`;
}

export function Trades({ trades }) {
  return html`<table class="trades">
    <caption>Last trades</caption>
    <thead><tr><th scope="col">Time</th><th scope="col">Taker</th><th scope="col">Quantity</th><th scope="col">Price</th></tr></thead>
    <tbody>
      ${trades.slice(0, 20).map(
        (trade) => html`<tr key=${trade.number} class=${trade.taker_side === "buy" ? "bid" : "ask"}>
          <td>${new Date(trade.time_ms).toLocaleTimeString([], { hour12: false })}</td><td>${trade.taker_side}s</td><td>${trade.qty}</td><th scope="row">${trade.price}</th>
        </tr>`,
      )}
      ${!trades.length && html`<tr><td colspan="4">none yet</td></tr>`}
    </tbody>
  </table>`;
}

// A trader in Node with fetch and ws alone: it places, follows its fills and the book over the socket, and cancels.

const WebSocket = require("ws");

const { URL: url, ALICE: alice, BOB: bob, PAIR: pair } = process.env;
const text = `node ${process.pid} ${Date.now()}`;

async function call(method, path, token, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status}: ${told.code}: ${told.detail}`);
  return told;
}

function opened(socket) {
  return new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
}

async function main() {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`, { headers: { authorization: `Bearer ${alice}` } });
  const book = { bids: new Map(), sequence: -1 };
  let heard;
  const filled = new Promise((resolve) => (heard = resolve));
  socket.on("message", (raw) => {
    const message = JSON.parse(raw);
    if (message.channel === "account") for (const event of message.events || []) if (event.fill) heard(event.fill);
    if (message.channel !== "book") return;
    if (message.type === "snapshot") book.bids = new Map(message.bids.map((row) => [row.price, row.qty]));
    else {
      if (message.previous !== book.sequence) throw new Error("a gap");
      for (const [price, qty, orders] of message.bids) orders ? book.bids.set(price, qty) : book.bids.delete(price);
    }
    book.sequence = message.sequence;
  });
  await opened(socket);
  let id = 0;
  const ask = (request) => socket.send(JSON.stringify({ id: (id += 1), ...request }));
  const answers = new Promise((resolve) => {
    socket.on("message", (raw) => JSON.parse(raw).id === 2 && resolve());
  });
  ask({ do: "subscribe", channel: "book", pair });
  ask({ do: "subscribe", channel: "account", pair });
  await answers;
  const order = { pair, side: "buy", price: "44.50", qty: "5", text_id: text };
  const first = await call("POST", "/v1/order", alice, order);
  const again = await call("POST", "/v1/order", alice, order);
  if (first.op_id !== again.op_id) throw new Error("one text id, two orders");
  await call("POST", "/v1/order", bob, { pair, side: "sell", price: "44.50", qty: "2" });
  const fill = await filled;
  const seen = await call("GET", `/v1/book?pair=${pair}`, alice);
  while (book.sequence < seen.sequence) await new Promise((resolve) => socket.once("message", resolve));
  const levels = [...book.bids.keys()].sort();
  const rest = seen.bids.map((row) => row.price).sort();
  await call("DELETE", `/v1/order?pair=${pair}&text_id=${encodeURIComponent(text)}`, alice);
  console.log(JSON.stringify({ status: first.progress, fill, text, levels, rest }));
  socket.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

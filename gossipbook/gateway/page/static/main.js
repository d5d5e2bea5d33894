// The page: what the gateway's stream says, kept in one place and drawn at most ten times a second.

import { html, render } from "./vendor/htm-preact.js";
import { Book } from "./book.js";
import { Candles, Depth } from "./charts.js";
import { Ladder, Trades } from "./ladder.js";
import { Happened, Peers, Ring } from "./network.js";
import { Socket } from "./socket.js";
import { Login, OwnOrders, Ticket } from "./trade.js";
import { changes, peerChanges, readiness } from "./words.js";

const DRAW_MS = 100;
const KEPT = 50;
const WIDTHS = ["1m", "5m", "15m", "1h", "1d"];

const state = {
  connection: "closed", pairs: [], pair: "", width: "1m", book: new Book(), pending: null, trades: [], candles: [],
  status: null, peers: null, log: [], account: null, orders: [], note: "", resyncs: 0,
};

const app = document.getElementById("app");
app.replaceChildren();
let due = false;
function draw() {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    render(html`<${Page} />`, app);
  }, DRAW_MS);
}

const note = (text) => {
  state.note = text;
  draw();
};

function happened(lines) {
  const at = Date.now();
  state.log = [...lines.map((text) => ({ at, text })), ...state.log].slice(0, KEPT);
}

// -- what the stream says ----------------------------------------------------------------------------

const handlers = {
  book(message) {
    const fault = state.book.take(message);
    if (!fault) return;
    state.resyncs += 1;
    happened([`the book was read anew: ${fault === "gap" ? "updates were missing" : "its checksum differed"}`]);
    socket.again({ channel: "book", pair: state.pair });
  },
  pending(message) {
    state.pending = message;
  },
  trades(message) {
    const fresh = message.trades.slice().reverse();
    state.trades = message.type === "snapshot" ? fresh : [...fresh, ...state.trades].slice(0, KEPT);
    if (message.type === "update" && fresh.length) state.book.last = fresh[0];
  },
  candles(message) {
    const candle = message.candle;
    if (!candle || message.width !== state.width) return;
    const kept = state.candles.filter((row) => row.start_ms < candle.start_ms);
    state.candles = [...kept, candle];
  },
  status(message) {
    happened([...changes(state.status, message.status), ...peerChanges(state.peers, message.peers)]);
    state.status = message.status;
    state.peers = message.peers;
  },
  account(message) {
    if (message.type === "snapshot") state.orders = message.orders;
    else if (message.type === "restart") socket.again({ channel: "account", pair: state.pair });
    for (const { order } of message.events || []) {
      const others = state.orders.filter((row) => row.client_id !== order.client_id);
      state.orders = order.is_open ? [...others, order].sort((one, other) => one.client_id - other.client_id) : others;
    }
  },
};

function take(message) {
  if (message.trouble) happened([`${message.subscription.channel}: ${message.trouble.detail || message.trouble.code}`]);
  else if (message.type === "lagged") happened([`this page was too slow for ${message.missed} messages, and starts anew`]);
  else if (message.channel && (!message.pair || message.pair === state.pair)) handlers[message.channel](message);
  draw();
}

const socket = new Socket(take, (connection) => {
  if (connection !== state.connection) happened([connection === "open" ? "connected to the gateway" : "the connection to the gateway is lost"]);
  state.connection = connection;
  draw();
});

// -- what the user does ------------------------------------------------------------------------------

const channels = () => [
  ...["book", "pending", "trades"].map((channel) => ({ channel, pair: state.pair })),
  { channel: "candles", pair: state.pair, width: state.width },
  ...(state.account ? [{ channel: "account", pair: state.pair }] : []),
];

function loadCandles() {
  const { pair, width } = state;
  fetch(`v1/candles?pair=${encodeURIComponent(pair)}&width=${width}&limit=120`)
    .then((answer) => answer.json())
    .then(({ candles }) => {
      if (pair !== state.pair || width !== state.width || !candles) return;
      const live = state.candles;
      const last = candles.length ? candles[candles.length - 1].start_ms : 0;
      state.candles = [...candles.filter((row) => !live.some((each) => each.start_ms === row.start_ms)), ...live.filter((row) => row.start_ms >= last)];
      draw();
    })
    .catch((problem) => happened([`candles: ${problem.message}`]));
}

function choose(pair, width) {
  for (const channel of channels()) socket.unsubscribe(channel);
  if (pair !== state.pair) Object.assign(state, { book: new Book(), pending: null, trades: [], orders: [] });
  Object.assign(state, { pair, width, candles: [] });
  for (const channel of channels()) socket.subscribe(channel);
  loadCandles();
  draw();
}

function login(token) {
  return socket.ask({ do: "login", token }).then((account) => {
    socket.token = token;
    state.account = account;
    socket.subscribe({ channel: "account", pair: state.pair });
    draw();
  });
}

// -- what is drawn -----------------------------------------------------------------------------------

function Page() {
  const ready = readiness(state.status, state.pair, state.connection);
  const found = state.status && state.status.pairs && state.status.pairs.find((row) => row.pair === state.pair);
  const spec = state.pairs.find((row) => row.pair === state.pair);
  const ask = (request) => socket.ask(request);
  return html`
    <header>
      <h1>gossipbook <small>${state.status && state.status.network}</small></h1>
      <label>Pair <select value=${state.pair} onChange=${(event) => choose(event.target.value, state.width)}>${state.pairs.map((row) => html`<option value=${row.pair}>${row.pair}</option>`)}</select></label>
      <p class=${`ready ${ready.tone}`} role="status" id="readiness"><span aria-hidden="true"></span>${ready.text}</p>
    </header>
    <main class=${ready.tone === "good" ? "" : "dimmed"}>
      <section id="book" aria-labelledby="book-title" tabindex="-1"><h2 id="book-title">Book</h2><${Ladder} book=${state.book} pending=${state.pending} /></section>
      <section class="market" aria-labelledby="charts-title"><h2 id="charts-title">Market</h2>
        <label>Candles <select value=${state.width} onChange=${(event) => choose(state.pair, event.target.value)}>${WIDTHS.map((width) => html`<option value=${width}>${width}</option>`)}</select></label>
        <${Candles} candles=${state.candles} width=${state.width} />
        <${Depth} book=${state.book} />
      </section>
      <section class="last" aria-labelledby="trades-title"><h2 id="trades-title">Trades</h2><${Trades} trades=${state.trades} /></section>
      <section class="trade" aria-labelledby="trade-title"><h2 id="trade-title">Trade</h2>
        <${Login} login=${login} account=${state.account} />
        <${Ticket} pair=${state.pair} spec=${spec} ask=${ask} enabled=${Boolean(state.account)} />
        ${state.account && html`<${OwnOrders} orders=${state.orders} ask=${ask} pair=${state.pair} note=${note} />`}
        <p role="status" class="told">${state.note}</p>
      </section>
      <section class="network" aria-labelledby="network-title"><h2 id="network-title">Network</h2>
        ${found && html`<${Ring} found=${found} peers=${Array.isArray(state.peers) ? state.peers : []} />`}
        <${Peers} peers=${state.peers} pair=${state.pair} />
        <${Happened} log=${state.log} />
      </section>
    </main>
    <footer><p>Final means certified by a quorum of the pair's committee. Block <span id="height">${state.book.height.toLocaleString("en")}</span>, event <span id="sequence">${state.book.sequence}</span>, read anew <span id="resyncs">${state.resyncs}</span> times.</p></footer>`;
}

fetch("v1/pairs")
  .then((answer) => answer.json())
  .then((pairs) => {
    state.pairs = pairs;
    const named = decodeURIComponent(location.hash.slice(1));
    socket.subscribe({ channel: "status" });
    choose(pairs.some((row) => row.pair === named) ? named : pairs[0].pair, state.width);
  })
  .catch((problem) => happened([`the pairs cannot be read: ${problem.message}`]));
draw();

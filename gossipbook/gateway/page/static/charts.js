// The charts: depth, and candles. uPlot draws; what they show is said in words beside them.

import { html, useEffect, useRef } from "./vendor/htm-preact.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const axes = () => {
  const line = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  return [line, { ...line, size: 64 }];
};

// Makes the chart once, feeds it, and makes it anew when the width or the colour scheme changes.
function Chart({ options, data, label, summary }) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const make = () => {
      if (plot.current) plot.current.destroy();
      const width = Math.max(place.current.clientWidth, 200);
      plot.current = new uPlot({ width, height: 200, legend: { show: false }, ...options() }, data, place.current);
    };
    make();
    const watcher = new ResizeObserver(() => plot.current.setSize({ width: Math.max(place.current.clientWidth, 200), height: 200 }));
    watcher.observe(place.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      watcher.disconnect();
      scheme.removeEventListener("change", make);
      plot.current.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => {
    if (plot.current) plot.current.setData(data);
  }, [data]);
  return html`<figure class="chart"><div ref=${place} role="img" aria-label=${`${label}. ${summary}`}></div><figcaption>${summary}</figcaption></figure>`;
}

export function Depth({ book, depth = 60 }) {
  const bids = book.levels("bids", depth);
  const asks = book.levels("asks", depth);
  const prices = [], buy = [], sell = [];
  let sum = 0;
  const below = bids.map((row) => [row.at, (sum += Number(row.qty))]).reverse();
  for (const [price, total] of below) prices.push(price), buy.push(total), sell.push(null);
  sum = 0;
  for (const row of asks) prices.push(row.at), buy.push(null), sell.push((sum += Number(row.qty)));
  const stepped = uPlot.paths.stepped({ align: 1 });
  const options = () => ({
    scales: { x: { time: false } },
    axes: axes(),
    series: [
      {},
      { stroke: colour("--bid"), fill: colour("--bid-soft"), paths: uPlot.paths.stepped({ align: -1 }) },
      { stroke: colour("--ask"), fill: colour("--ask-soft"), paths: stepped },
    ],
  });
  const totals = (rows) => rows.reduce((all, row) => all + Number(row.qty), 0).toLocaleString("en");
  const summary = prices.length ? `${totals(bids)} bid and ${totals(asks)} offered within ${Math.max(bids.length, asks.length)} levels.` : "Nothing rests in the book.";
  return html`<${Chart} options=${options} data=${[prices, buy, sell]} label="Depth by price" summary=${summary} />`;
}

const SECONDS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86400 };

function drawCandles(plot) {
  const { ctx } = plot;
  const [times, opens, highs, lows, closes] = plot.data;
  const body = Math.max(2, Math.min(14, (plot.bbox.width / Math.max(times.length, 20)) * 0.6));
  ctx.save();
  for (let at = 0; at < times.length; at += 1) {
    const x = plot.valToPos(times[at], "x", true);
    const [open, high, low, close] = [opens, highs, lows, closes].map((row) => plot.valToPos(row[at], "y", true));
    ctx.fillStyle = ctx.strokeStyle = colour(closes[at] >= opens[at] ? "--bid" : "--ask");
    ctx.fillRect(Math.round(x), high, 1, Math.max(low - high, 1));
    ctx.fillRect(x - body / 2, Math.min(open, close), body, Math.max(Math.abs(close - open), 1));
  }
  ctx.restore();
}

export function Candles({ candles, width }) {
  const rows = candles.slice(-120);
  const column = (name) => rows.map((row) => Number(row[name]));
  const data = [rows.map((row) => row.start_ms / 1000), column("open"), column("high"), column("low"), column("close")];
  const hidden = { paths: () => null, points: { show: false } };
  const step = SECONDS[width] || 60;
  const range = (_, low, high) => (low === null ? [Date.now() / 1000 - 20 * step, Date.now() / 1000] : [Math.min(low, high - 20 * step) - step, high + step]);
  const options = () => ({ scales: { x: { range } }, axes: axes(), series: [{}, hidden, hidden, hidden, hidden], hooks: { draw: [drawCandles] } });
  const last = rows[rows.length - 1];
  const summary = last ? `Last ${width}: open ${last.open}, high ${last.high}, low ${last.low}, close ${last.close}, volume ${last.volume}.` : "Nothing has traded yet.";
  return html`<${Chart} options=${options} data=${data} label=${`Candles of ${width}`} summary=${summary} />`;
}

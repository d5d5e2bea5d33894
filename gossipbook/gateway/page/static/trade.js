// Trading with an API key: it stays in this page's memory, and is gone with it.

import { html, useState } from "./vendor/htm-preact.js";

function said(result) {
  const { order, progress, rejected, client_id: id } = result;
  if (rejected) return `Order ${id} was refused by the book: ${rejected}.`;
  if (progress !== "certified") return `Order ${id} is signed and ${progress}${result.trouble ? ` (${result.trouble})` : ""}. It goes on being sent; do not place it again.`;
  if (!order) return "Certified.";
  return `Order ${order.client_id}: ${order.status}, ${order.filled} of ${order.qty} filled, certified in block ${result.height.toLocaleString("en")}.`;
}

export function Login({ login, account }) {
  const [token, setToken] = useState("");
  const [trouble, setTrouble] = useState("");
  const submit = (event) => {
    event.preventDefault();
    setTrouble("");
    login(token.trim()).then(() => setToken(""), (problem) => setTrouble(problem.detail || problem.code));
  };
  if (account) return html`<p>Trading as <strong>${account.account}</strong> (${account.scopes.join(", ")}).</p>`;
  return html`<form class="login" onSubmit=${submit}>
    <label>API key, as id.secret <input type="password" autocomplete="off" spellcheck="false" required value=${token} onInput=${(event) => setToken(event.target.value)} /></label>
    <button>Use it</button>
    <p role="alert" class="bad">${trouble}</p>
  </form>`;
}

export function Ticket({ pair, spec, ask, enabled }) {
  const [form, setForm] = useState({ side: "buy", kind: "limit", price: "", qty: "", tif: "gtc", post_only: false });
  const [told, setTold] = useState("");
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.type === "checkbox" ? event.target.checked : event.target.value });
  const submit = (event) => {
    event.preventDefault();
    setBusy(true);
    const order = { do: "place", pair, side: form.side, qty: form.qty, text_id: `page ${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}` };
    if (form.kind === "market") order.kind = "market";
    else Object.assign(order, { price: form.price, tif: form.tif, post_only: form.post_only });
    ask(order).then((result) => setTold(said(result)), (problem) => setTold(`Not placed: ${problem.detail || problem.code}`)).finally(() => setBusy(false));
  };
  return html`<form class="ticket" onSubmit=${submit} aria-label="Place an order">
    <fieldset><legend>Side</legend>
      ${["buy", "sell"].map((side) => html`<label class=${side === "buy" ? "bid" : "ask"}><input type="radio" name="side" value=${side} checked=${form.side === side} onChange=${set("side")} /> ${side}</label>`)}
    </fieldset>
    <label>Kind <select value=${form.kind} onChange=${set("kind")}><option value="limit">limit</option><option value="market">market</option></select></label>
    <label>Quantity <input inputmode="decimal" required value=${form.qty} onInput=${set("qty")} aria-describedby="steps" /></label>
    ${form.kind === "limit" && html`
      <label>Price <input inputmode="decimal" required value=${form.price} onInput=${set("price")} aria-describedby="steps" /></label>
      <label>In force <select value=${form.tif} onChange=${set("tif")}><option value="gtc">until cancelled</option><option value="ioc">at once or never</option><option value="fok">whole at once or never</option></select></label>
      <label class="check"><input type="checkbox" checked=${form.post_only} onChange=${set("post_only")} /> post only</label>`}
    <button disabled=${!enabled || busy}>${busy ? "Sent, waiting…" : "Place"}</button>
    <p id="steps" class="hint">${spec ? `Prices in steps of ${spec.tick_size}, quantities of ${spec.lot_size}.` : ""}</p>
    <p role="status" class="told">${told}</p>
  </form>`;
}

export function OwnOrders({ orders, ask, pair, note }) {
  const cancel = (order) => ask({ do: "cancel", pair, client_id: order.client_id }).then(
    (result) => note(result.rejected ? `Order ${order.client_id} was gone already.` : `Order ${order.client_id} is cancelled.`),
    (problem) => note(`Not cancelled: ${problem.detail || problem.code}`),
  );
  return html`<div class="wide" tabindex="0" role="region" aria-label="Own orders"><table class="own">
    <caption>Own open orders</caption>
    <thead><tr><th scope="col">Order</th><th scope="col">Side</th><th scope="col">Price</th><th scope="col">Open</th><th scope="col">Filled</th><th scope="col"><span class="unseen">Action</span></th></tr></thead>
    <tbody>
      ${orders.map(
        (order) => html`<tr key=${order.client_id} class=${order.side === "buy" ? "bid" : "ask"}>
          <th scope="row">${order.client_id}</th><td>${order.side}</td><td class="number">${order.price}</td><td class="number">${order.open}</td><td class="number">${order.filled}</td>
          <td><button type="button" onClick=${() => cancel(order)} aria-label=${`Cancel order ${order.client_id}`}>Cancel</button></td>
        </tr>`,
      )}
      ${!orders.length && html`<tr><td colspan="6">none</td></tr>`}
    </tbody>
  </table></div>`;
}

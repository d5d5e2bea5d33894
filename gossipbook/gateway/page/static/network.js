// The network: who certifies the pair, who leads, how far each peer is, and what happened lately.

import { html } from "./vendor/htm-preact.js";
import { time } from "./words.js";

const SIZE = 220, MIDDLE = SIZE / 2, RADIUS = 74;

export function Ring({ found, peers }) {
  const count = found.committee.length;
  const linked = new Set((peers || []).map((peer) => peer.name));
  const spots = found.committee.map((name, at) => {
    const angle = (2 * Math.PI * at) / count - Math.PI / 2;
    return { name, x: MIDDLE + RADIUS * Math.cos(angle), y: MIDDLE + RADIUS * Math.sin(angle) };
  });
  const said = spots.map(({ name }) => `${name} ${found.absent.includes(name) ? "absent" : name === found.leader ? "leads" : "there"}`).join(", ");
  return html`<figure class="ring">
    <svg viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label=${`Committee of ${found.pair}: ${said}. Term ${found.term}.`}>
      <circle class="orbit" cx=${MIDDLE} cy=${MIDDLE} r=${RADIUS} />
      ${spots.flatMap((one, at) =>
        spots.slice(at + 1).map((other) => {
          const cut = found.absent.includes(one.name) || found.absent.includes(other.name);
          return html`<line class=${cut ? "cut" : "link"} x1=${one.x} y1=${one.y} x2=${other.x} y2=${other.y} />`;
        }),
      )}
      ${spots.map(({ name, x, y }) => {
        const kind = found.absent.includes(name) ? "absent" : name === found.leader ? "leader" : "member";
        return html`<g class=${kind}><circle cx=${x} cy=${y} r="16" /><text x=${x} y=${y + 30}>${name}</text>${linked.has(name) ? "" : html`<text class="mark" x=${x} y=${y + 4}>?</text>`}</g>`;
      })}
      <text class="term" x=${MIDDLE} y=${MIDDLE - 4}>term ${found.term}</text>
      <text class="term" x=${MIDDLE} y=${MIDDLE + 14}>block ${found.height.toLocaleString("en")}</text>
    </svg>
    <figcaption>${found.leader} leads ${found.pair}; ${found.agree ? "digests are equal" : "digests DIFFER"}.</figcaption>
  </figure>`;
}

export function Peers({ peers, pair }) {
  if (!Array.isArray(peers)) return html`<p>No peer answers: ${(peers && peers.detail) || "not asked yet"}.</p>`;
  const rows = peers.map((peer) => ({ peer, row: peer.pairs.find((each) => each.pair === pair) }));
  const highest = Math.max(0, ...rows.map(({ row }) => (row ? row.height : 0)));
  const tips = new Set(rows.filter(({ row }) => row && row.height === highest).map(({ row }) => row.events_digest));
  return html`<div class="wide" tabindex="0" role="region" aria-label="Peers"><table class="peers">
    <caption>Peers that the gateway is linked to</caption>
    <thead><tr><th scope="col">Peer</th><th scope="col">State</th><th scope="col">Block</th><th scope="col">Digest</th><th scope="col">Links</th><th scope="col">Pending</th></tr></thead>
    <tbody>
      ${rows.map(
        ({ peer, row }) => html`<tr key=${peer.name}>
          <th scope="row">${peer.name}</th>
          <td>${row ? row.state + (row.voting ? "" : ", does not vote") : "does not follow it"}</td>
          <td class="number">${row ? row.height.toLocaleString("en") : ""}</td>
          <td class=${row && row.height === highest && tips.size > 1 ? "bad" : ""}>${row ? (row.height < highest ? `${highest - row.height} behind` : tips.size > 1 ? `DIFFERS ${row.events_digest.slice(0, 8)}` : `equal ${row.events_digest.slice(0, 8)}`) : ""}</td>
          <td class="number">${peer.links}</td>
          <td class="number">${row ? row.pending_ops : ""}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

export function Happened({ log }) {
  return html`<section aria-labelledby="happened"><h3 id="happened">What happened</h3>
    <ol class="log" aria-live="polite" tabindex="0" aria-label="What happened last">
      ${log.map(({ at, text }) => html`<li key=${at + text}><time>${time(at)}</time> ${text}</li>`)}
      ${!log.length && html`<li>Nothing since this page was opened.</li>`}
    </ol>
  </section>`;
}

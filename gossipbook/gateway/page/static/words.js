// How numbers, times and states are said.

export const time = (ms) => (ms ? new Date(ms).toLocaleTimeString([], { hour12: false }) : "");

export function readiness(status, pair, connection) {
  if (connection !== "open") return { tone: "bad", text: "No connection to the gateway. What is shown may be of the past; trying again." };
  if (!status) return { tone: "wait", text: "Waiting for the first word of the peers." };
  if (!status.pairs) return { tone: "bad", text: `The gateway cannot ask the network: ${status.detail || status.code}.` };
  if (!status.linked) return { tone: "bad", text: `The gateway has no link to a peer: ${status.trouble}.` };
  const found = status.pairs.find((row) => row.pair === pair);
  if (!found) return { tone: "wait", text: `No linked peer follows ${pair}.` };
  const there = found.committee.length - found.absent.length;
  const members = `${there} of ${found.committee.length} members there`;
  if (found.state === "no-quorum") {
    return { tone: "bad", text: `No quorum: ${found.absent.join(", ")} absent, ${members}. Orders wait; nothing is filled until enough are back.` };
  }
  if (found.state === "syncing") return { tone: "wait", text: `Catching up at block ${found.height.toLocaleString("en")}; ${members}.` };
  if (found.state !== "certifying") return { tone: "bad", text: `Stopped for good: ${found.state}.` };
  if (!found.agree) return { tone: "bad", text: "Peers disagree on what happened. Do not trade before their operators have looked." };
  if (found.stale) return { tone: "wait", text: "The book's peer was lost; another one is being asked. The book may be of the past." };
  const trading = found.trading === "open" ? "" : ` The pair is ${found.trading}.`;
  return { tone: "good", text: `Certifying: ${members}, led by ${found.leader} in term ${found.term}.${trading}` };
}

// What changed between two looks at the network, in sentences.
export function changes(before, after) {
  if (!before || !before.pairs || !after || !after.pairs) return [];
  const told = [];
  for (const now of after.pairs) {
    const was = before.pairs.find((row) => row.pair === now.pair);
    if (!was) continue;
    if (now.term > was.term) told.push(`${now.pair}: takeover, ${now.leader} leads in term ${now.term} after ${was.leader}`);
    if (now.state !== was.state) told.push(`${now.pair}: ${was.state} → ${now.state}${now.absent.length ? `, absent: ${now.absent.join(", ")}` : ""}`);
    if (now.trading !== was.trading) told.push(`${now.pair}: ${was.trading} → ${now.trading}`);
    if (now.agree !== was.agree) told.push(`${now.pair}: digests ${now.agree ? "are equal again" : "DIFFER"}`);
  }
  return told;
}

export function peerChanges(before, after) {
  if (!Array.isArray(before) || !Array.isArray(after)) return [];
  const told = [];
  const names = (rows) => rows.map((row) => row.name);
  for (const name of names(before)) if (!names(after).includes(name)) told.push(`${name} is not linked any more`);
  for (const name of names(after)) if (!names(before).includes(name)) told.push(`${name} is linked`);
  for (const now of after) {
    const was = before.find((row) => row.name === now.name);
    if (!was) continue;
    for (const [reason, count] of Object.entries(now.refused)) {
      const more = count - (was.refused[reason] || 0);
      if (more > 0) told.push(`${now.name} refused ${more.toLocaleString("en")}: ${reason}`);
    }
  }
  return told;
}

"""Render the report as one HTML file that loads nothing else."""

import shlex
from html import escape

from gossipbook.run_report.cost import MarketCost, extra_by_op
from gossipbook.run_report.market_charts import delays_chart, market_chart
from gossipbook.run_report.network_charts import (
    availability_chart,
    digests_chart,
    heat_chart,
    heights_chart,
    terms_chart,
)
from gossipbook.run_report.recording import Recording
from gossipbook.run_report.sampling import percentile
from gossipbook.run_report.sequence import sequence_chart
from gossipbook.run_report.spread_charts import copies_chart, in_time, mean_copies, propagation_chart
from gossipbook.run_report.style import CSS, SCRIPT
from gossipbook.run_report.tables import (
    causal_table,
    checks_table,
    cost_tables,
    faults_table,
    memory_tables,
    seconds,
    traffic_table,
    violations_table,
)
from gossipbook.sim.plan import Plan, make_plan
from gossipbook.sim.run import SimulationResult


def render(
    outcome: SimulationResult,
    recording: Recording,
    fair_outcome: SimulationResult,
    fair_recording: Recording,
    cost: MarketCost,
    plan: Plan,
    command: str = "",
) -> str:
    """Return the whole page. ``command`` replays the run; without it, scenario name and seed do."""
    fair = fair_recording
    sections = [
        _banner(outcome, plan, command or replay_command(plan)),
        _tiles(outcome, recording, cost),
        _section("faults", "Faults", faults_table(recording), _network_words(plan)),
        _section("market", "Market", _market(recording, fair, cost), MARKET_NOTE),
        _section("leader", "Leader and term", terms_chart(recording), TERM_NOTE),
        _section("availability", "Availability", availability_chart(recording)),
        _section("propagation", "Propagation", _propagation(recording, fair), PROPAGATION_NOTE),
        _section("digests", "Digests", digests_chart(recording), DIGEST_NOTE),
        _section("heights", "Heights", heights_chart(recording)),
        _section("queues", "Queues and memory", _queues(recording), QUEUE_NOTE),
        _section("messages", "Messages by kind", traffic_table(recording, fair), TRAFFIC_NOTE),
        _section("checks", "Invariants", checks_table(outcome) + violations_table(outcome, recording), CHECKS_NOTE),
        _section("flow", "Messages around an event", _flow(outcome, recording), FLOW_NOTE),
        _about(outcome, fair_outcome, recording),
    ]
    title = f"{plan.scenario.name}, seed {plan.seed}: {outcome.verdict}"
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{CSS}</style></head>'
    )
    return f'{head}<body><main>{"".join(sections)}</main><div id="tip"></div><script>{SCRIPT}</script></body></html>\n'


def replay_command(plan: Plan) -> str:
    """Return the command that runs this seed again."""
    name = plan.scenario.name
    words = ["--swarm"] if name == f"swarm {plan.seed}" else [name]
    return shlex.join(["gossipbook", "simulate", *words, "--seed", str(plan.seed)])


MARKET_NOTE = (
    "The same orders, signed at the same moments, ran once more without a fault: dashed, fair weather. "
    "Whatever differs is what the faults did to the market."
)
DELAYS_NOTE = "Each dot is an op, by when it was signed: how much later than in fair weather its trader heard."
TERM_NOTE = "A member that is cut off stays in an old term until it hears of the change."
PROPAGATION_NOTE = (
    "Time from the first send of an op, or from the first peer that has a block final, until so many other honest "
    "peers have it; the time axis is logarithmic. What faults kept from some peers counts for those that it reached."
)
DIGEST_NOTE = (
    "Counted over honest peers that run: different (height, tip, pending set), less the one that "
    "has to be. What is on its way counts for a moment."
)
QUEUE_NOTE = "Waiting are messages on their way to a peer, or not looked at because it is paused; darker is more."
TRAFFIC_NOTE = (
    "Sent counts every receiver, over links that are cut as well; delivered is what peers were handed. "
    "A client's Submit is handed over, not sent by a peer."
)
CHECKS_NOTE = "Checked by judges that share no code with what they judge."
FLOW_NOTE = (
    "An arrow that ends in a cross never arrived. Relays for others are left out. Time runs down, "
    "stretched where much happens at once."
)


def _section(name: str, title: str, inner: str, note: str = "") -> str:
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section id="{name}"><h2>{escape(title)}</h2><div class="card">{said}{inner}</div></section>'


def _banner(outcome: SimulationResult, plan: Plan, command: str) -> str:
    why = f'<p class="why">{escape(plan.scenario.why)}</p>' if plan.scenario.why else ""
    changed = plan != make_plan(plan.scenario, plan.seed)
    note = '<p class="note">This plan was changed by hand or made smaller: replay its own file with --replay.</p>'
    return (
        f'<header id="verdict" class="card banner {escape(outcome.verdict)}">'
        f'<b class="verdict">{escape(outcome.verdict)}</b>'
        f"<h1>{escape(plan.scenario.name)}, seed {plan.seed}</h1><p>{escape(outcome.summary)}</p>{why}"
        f"<pre><code>{escape(command)}</code></pre>{note if changed else ''}</header>"
    )


def _network_words(plan: Plan) -> str:
    n, w = plan.scenario.network, plan.scenario.workload
    pairs = "1 pair" if n.pairs == 1 else f"{n.pairs} pairs"
    return (
        f"{n.peers} peers, a {n.fault_model} committee of {n.committee}, {pairs}; "
        f"delays {n.delay}, {n.delay_ms[0]:g} to {n.delay_ms[1]:g} ms; {len(plan.orders)} ops in {w.seconds:g} s. "
        "Times count from the first moment of trading; those in the verdict line from the world's start, 1.5 s earlier."
    )


def _tiles(outcome: SimulationResult, recording: Recording, cost: MarketCost) -> str:
    waits = sorted(op.certified_us - op.signed_us for op in recording.ops if op.certified_us >= 0)
    p50, p99 = (in_time(percentile(waits, share), 2) for share in (0.5, 0.99))
    late = (
        f"ops late for the faults, by up to {seconds(cost.extra_max_s)}" if cost.late_ops else "ops late for the faults"
    )
    blocks = sum(outcome.heights.values())
    tiles = [
        (f"{len(waits):,} of {len(recording.ops):,}", "ops certified, as their traders heard"),
        (p50 if waits else "–", f"to certification, median; p99 {p99}" if waits else "no op was certified"),
        (f"{outcome.fills:,}", f"trades; {cost.fair_fills:,} in fair weather"),
        (f"{cost.lost_fills:,} / {cost.new_fills + cost.changed_fills:,}", "trades lost / new or different"),
        (f"{cost.late_ops:,}", late),
        (f"{blocks:,}", f"blocks final; term changes: {outcome.term_changes:,}"),
        (f"{outcome.taken_back:,} of {outcome.prepared:,}", "blocks that members told as prepared, taken back"),
        (seconds(cost.idle_s), f"longest wait for a block; {seconds(cost.fair_idle_s)} in fair weather"),
        (
            seconds(cost.backlog_s) if recording.faults else "–",
            "from the last fault's end until its backlog is certified",
        ),
        (f"{mean_copies(recording.op_spreads):.2f}", "copies of an op handed to a peer, mean"),
        (f"{outcome.deliveries:,}", "messages delivered"),
        (f"{sum(outcome.checks.values()):,}", "comparisons by the checkers"),
        (f"{len(outcome.violations):,}", "violations"),
    ]
    made = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in tiles
    )
    return f'<section id="figures" class="tiles">{made}</section>'


def _market(recording: Recording, fair: Recording, cost: MarketCost) -> str:
    pair = f'<p class="note">Prices, spread and depth are those of {escape(recording.symbols[0])}.</p>'
    few = pair if len(recording.symbols) > 1 else ""
    delays = delays_chart(recording, extra_by_op(recording, fair))
    return f'{few}{market_chart(recording, fair)}<p class="note">{DELAYS_NOTE}</p>{delays}{cost_tables(cost)}'


def _propagation(recording: Recording, fair: Recording) -> str:
    return (
        '<div class="minis">'
        + propagation_chart("Ops", recording, recording.op_spreads, fair.op_spreads)
        + propagation_chart("Final blocks", recording, recording.block_spreads, fair.block_spreads)
        + copies_chart(recording, fair)
        + "</div>"
    )


def _queues(recording: Recording) -> str:
    waiting = [look.waiting for look in recording.looks]
    pending = [look.pendings for look in recording.looks]
    return (
        heat_chart(recording, "Messages waiting for each peer", waiting)
        + heat_chart(recording, "Ops pending at each peer", pending)
        + memory_tables(recording)
    )


def _flow(outcome: SimulationResult, recording: Recording) -> str:
    found = recording.slice
    if found is None or not found.arrows:
        drawn = '<p class="note">No violation, no later term and no fill: there is no event to look at closely.</p>'
    else:
        at = f"Zero is {(found.at_us - recording.opened_us) / 1e6:.3f} s, when {found.why}."
        drawn = f"<p>{escape(at)}</p>{sequence_chart(recording, found)}"
    return drawn + causal_table(recording, outcome.violations)


def _about(outcome: SimulationResult, fair_outcome: SimulationResult, recording: Recording) -> str:
    lines = [
        f"Trace of this run: {outcome.trace_hash}.",
        f"Fair weather: {fair_outcome.verdict}, {fair_outcome.summary}.",
        f"Looked at every {recording.period_us / 1000:g} ms of simulated time.",
    ]
    if len(recording.shown) < len(recording.peers):
        lines.append(f"Per-peer charts show {len(recording.shown)} of {len(recording.peers)} peers, members first.")
    lines += [f"Left out for its size: {count:,} {what}." for what, count in recording.left_out.items()]
    return f'<footer class="note">{"".join(f"<p>{escape(line)}</p>" for line in lines)}</footer>'

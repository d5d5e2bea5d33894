"""The report of a run: what the recorder wrote down, what the faults cost, and the page made of it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from gossipbook.consensus.records import Finalized
from gossipbook.matching.commands import Cancel, Command, OrderType, Place, Side, TimeInForce
from gossipbook.run_report import Recorder, Recording, market_cost, record, record_and_render, render
from gossipbook.run_report.causal import way_to
from gossipbook.run_report.messages import SLICE_CAP
from gossipbook.run_report.recording import CUT_OFF, UP, OrderFate, Top
from gossipbook.run_report.sampling import Spreads, Steps, percentile
from gossipbook.run_report.spread_charts import copies_shares, curve, in_time
from gossipbook.run_report.svg import Scale, apart, ticks, whole_ticks
from gossipbook.scenario.orders import PlannedOp
from gossipbook.scenario.parts import FaultPart, NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.checkers import Checker, Violation, all_checkers
from gossipbook.sim.host import Host
from gossipbook.sim.plan import Plan, make_plan
from gossipbook.sim.run import INVALID, SimulationResult, run_plan

SECTIONS = (
    *("verdict", "figures", "faults", "market", "leader", "availability", "propagation", "digests", "heights"),
    *("queues", "messages", "checks", "flow"),
)
VOID = {"meta", "line", "rect", "circle", "path", "br"}


def place(client_id: int, side: Side, price: int, lots: int) -> Place:
    return Place(client_id, side, OrderType.LIMIT, price, lots, TimeInForce.GTC)


def tiny(*orders: tuple[int, str, tuple[Command, ...]], faults: tuple[FaultPart, ...] = ()) -> Plan:
    """Four peers whose messages take 10 ms each, and a few ops: (ms, author, commands)."""
    network = NetworkPart(delay="fixed", delay_ms=(10.0, 10.0))
    scenario = Scenario("tiny", network, WorkloadPart(seconds=2), faults)
    ops = tuple(PlannedOp(ms * 1_000, author, 0, commands, 0) for ms, author, commands in orders)
    return Plan(scenario, 1, ops, faults)


@cache
def two_orders() -> tuple[SimulationResult, Recording]:
    """Five lots offered at 100, three of them taken half a second later."""
    sell = (place(1, Side.SELL, 100, 5),)
    buy = (place(1, Side.BUY, 101, 3),)
    return record(tiny((100, "ann", sell), (600, "bob", buy)))


def isolated(seed: int = 1) -> Plan:
    faults = (FaultPart("partition", at_s=2.0, for_s=3.0, shape="isolate", who="leader"),)
    network, workload = NetworkPart(peers=5), WorkloadPart(seconds=7, ops_per_s=10)
    return make_plan(Scenario("isolate <the> leader & co.toml", network, workload, faults, why="why <b>not</b>?"), seed)


@cache
def isolated_run() -> tuple[SimulationResult, Recording, SimulationResult, Recording]:
    plan = isolated()
    return *record(plan), *record(plan.in_fair_weather())


class PlantedViolation(Checker):
    """Blames the first block with a fill."""

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if isinstance(event, Finalized) and any(e[0] == 3 for e in event.events) and not self.violations:
            self.blame("I1", "planted <i>here</i>", event.pair, event.block.height)


# -- the recorder -------------------------------------------------------------------------------------


def test_an_op_reaches_everybody_in_one_hop_and_comes_once_from_each_neighbour() -> None:
    _, recording = two_orders()
    assert len(recording.op_spreads) == 2
    for spread in recording.op_spreads:
        others = {0, 1, 2, 3} - {spread.origin}
        assert spread.arrivals == dict.fromkeys(others, 10_000)
        # From its origin, and from the two others, who had not heard that it is known.
        assert spread.copies == dict.fromkeys(others, 3)


def test_the_curve_and_the_copies_of_a_tiny_run() -> None:
    _, recording = two_orders()
    assert curve(recording.op_spreads, 0.5) == [(1, 10_000), (2, 10_000), (3, 10_000)]
    assert copies_shares(recording.op_spreads) == {3: 1.0}


def test_a_trader_hears_of_durability_after_two_client_delays() -> None:
    _, recording = two_orders()
    assert [(op.author, op.seq, op.signed_us - recording.opened_us) for op in recording.ops] == [
        ("ann", 0, 100_000),
        ("bob", 0, 600_000),
    ]
    for op in recording.ops:
        assert op.durable_us - op.signed_us == 1_000
        assert op.signed_us < op.final_us < op.certified_us
        assert op.sends == 1
    assert recording.ops[0].commands == ("#1 sell 5 at 100 limit GTC",)


def test_one_fill_and_the_book_around_it() -> None:
    outcome, recording = two_orders()
    (fill,) = recording.fills
    ann, bob = (op.key for op in recording.ops)
    symbol = recording.symbols[0]
    assert (fill.price_ticks, fill.lots, fill.height) == (100, 3, 2)
    assert (fill.maker, fill.taker) == ((symbol, ann, 1), (symbol, bob, 1))
    assert recording.fates == {fill.maker: OrderFate(3, 0), fill.taker: OrderFate(3, 0)}
    assert outcome.fills == 1

    def top_at(ms: int) -> Top:
        at_us = recording.opened_us + ms * 1_000
        return [look for look in recording.looks if look.at_us <= at_us][-1].books[0]

    assert [top_at(ms) for ms in (0, 500, 1_500)] == [Top(0, 0, 0, 0), Top(0, 100, 0, 5), Top(0, 100, 0, 2)]


def test_blocks_votes_and_terms_of_a_tiny_run() -> None:
    _, recording = two_orders()
    first, second = recording.blocks
    assert (first.height, second.height, second.parent) == (1, 2, first.id)
    assert len(second.hosts) == 4
    votes = recording.votes[first.pair, 1]
    assert sorted((vote.kind, vote.seat) for vote in votes) == [(k, s) for k in ("COMMIT", "PREPARE") for s in range(4)]
    assert {vote.block_id for vote in votes} == {first.id}
    assert all([term for _, term in steps] == [0] for steps in recording.terms.values())
    assert all(steps[-1][1] == UP for steps in recording.states.values())
    assert recording.looks[-1].heights == (2, 2, 2, 2)


def test_what_is_sent_in_fair_weather_is_delivered() -> None:
    _, recording = two_orders()
    for name, traffic in recording.traffic.items():
        if name == "Ack":
            assert (traffic.sent, traffic.delivered) == (4, 0)  # to clients, who are no peers
        elif name == "Submit":
            assert (traffic.sent, traffic.delivered) == (0, 2)
        else:
            assert traffic.sent >= traffic.delivered > 0
    assert recording.traffic["Propose"].sent == 6
    assert list(recording.traffic) == sorted(recording.traffic, key=lambda k: -recording.traffic[k].sent_bytes)


def test_a_recorder_changes_nothing() -> None:
    plan = isolated()
    assert run_plan(plan).trace_hash == isolated_run()[0].trace_hash


def test_an_isolated_leader_is_seen_everywhere() -> None:
    _, recording, _, _ = isolated_run()
    (span,) = recording.faults
    assert (span.began_us - recording.opened_us, span.ended_us - recording.opened_us) == (2_000_000, 5_000_000)
    leader = recording.members[0]
    assert span.sides.split(" | ")[0] == leader
    (lost,) = (note for note in recording.peers if note.name == leader)
    assert (span.began_us, CUT_OFF) in recording.states[lost.index]
    assert span.ended_us in [at_us for at_us, state in recording.states[lost.index] if state == UP]
    during = [look for look in recording.looks if span.ended_us - 500_000 <= look.at_us < span.ended_us]
    behind = recording.shown.index(lost.index)
    assert all(look.states >= 1 and look.heights[behind] < max(look.heights) for look in during)
    assert recording.backlog_us >= span.ended_us


def test_the_message_slice_shows_the_term_change() -> None:
    _, recording, _, _ = isolated_run()
    assert recording.slice is not None
    assert "later term" in recording.slice.why
    arrows = recording.slice.arrows
    assert 20 < len(arrows) <= SLICE_CAP
    labels = {arrow.label.split(" ")[0] for arrow in arrows}
    assert {"TC", "PROPOSE", "PREPARE", "COMMIT"} <= labels
    lost = [arrow for arrow in arrows if arrow.arrived_us < 0]
    assert lost
    assert all(recording.members[0] in (arrow.sender, arrow.receiver) for arrow in lost)
    assert all(4_000 < arrow.arrived_us - arrow.sent_us < 60_000 for arrow in arrows if arrow.arrived_us >= 0)


def test_steps_and_spreads_keep_to_their_caps() -> None:
    steps: Steps[int] = Steps(cap=10)
    for value in range(1_000):
        steps.note(value, value // 2)
    assert len(steps.steps) <= 10
    assert steps.steps[-1] == (998, 499)
    spreads = Spreads(cap=50)
    ids = [(i * 2_654_435_761 % 2**32).to_bytes(4, "big") for i in range(1_000)]
    for at_us, item in enumerate(ids):
        spreads.born(item, at_us, 0)
        spreads.arrived(item, at_us + 7, 1)
        spreads.arrived(item, at_us + 9, 1)
        spreads.arrived(item, at_us + 9, 0)
        spreads.copied(item, 1)
    kept = spreads.all()
    assert 10 < len(kept) <= 50
    assert all(spread.arrivals == {1: 7} and spread.copies == {1: 1} for spread in kept)
    assert spreads.left_out > 0


# -- the cost -----------------------------------------------------------------------------------------


def test_two_equal_runs_cost_nothing() -> None:
    _, recording = two_orders()
    cost = market_cost(recording, recording)
    assert (cost.ops, cost.late_ops, cost.lost_ops, cost.voided) == (2, 0, 0, 0)
    assert (cost.lost_fills, cost.new_fills, cost.changed_fills, cost.lost_volume_lots) == (0, 0, 0, 0)
    assert (cost.late_cancels, cost.late_cancel_lots) == (0, 0)
    assert cost.idle_s == cost.fair_idle_s > 0
    assert (cost.backlog_s, cost.equal_s) == (0, 0)
    assert all(p.spread_ticks == p.fair_spread_ticks and p.depth_lots == p.fair_depth_lots for p in cost.phases)


def test_an_isolated_leader_makes_ops_late() -> None:
    _, recording, _, fair = isolated_run()
    cost = market_cost(recording, fair)
    assert cost.late_ops > 0
    assert 0.1 < cost.extra_p50_s <= cost.extra_p95_s <= cost.extra_max_s < 4
    assert cost.idle_s > 0.9 > cost.fair_idle_s
    assert 2_000_000 - 200_000 < cost.idle_from_us - recording.opened_us < 5_000_000
    assert cost.lost_ops == 0
    assert [phase.name for phase in cost.phases] == ["before", "during", "after"]
    assert cost.phases[0].spread_ticks == cost.phases[0].fair_spread_ticks
    assert 0 <= cost.backlog_s < 3


def test_planted_differences_are_counted() -> None:
    _, fair = two_orders()
    (fill,) = fair.fills
    other = replace(fill, taker=fill.maker, maker=fill.taker, lots=1)
    changed = market_cost(replace(fair, fills=(replace(fill, lots=2),)), fair)
    assert (changed.lost_fills, changed.new_fills, changed.changed_fills, changed.lost_volume_lots) == (0, 0, 1, 1)
    lost = market_cost(replace(fair, fills=(other,)), fair)
    assert (lost.lost_fills, lost.new_fills, lost.changed_fills, lost.lost_volume_lots) == (1, 1, 0, 2)
    never = market_cost(replace(fair, ops=(fair.ops[0], replace(fair.ops[1], certified_us=-1))), fair)
    assert (never.ops, never.lost_ops) == (2, 1)
    late = market_cost(
        replace(fair, ops=(replace(fair.ops[0], certified_us=fair.ops[0].certified_us + 400_000),)), fair
    )
    assert (late.late_ops, late.extra_p50_s, late.extra_max_s) == (1, 0.4, 0.4)


def test_a_cancel_that_came_too_late() -> None:
    """Ann takes her five lots back at 500 ms, Bob buys at 800 ms; a cancel that is lost costs her three lots."""
    sell, buy = (place(1, Side.SELL, 100, 5),), (place(1, Side.BUY, 101, 3),)
    _, fair = record(tiny((100, "ann", sell), (500, "ann", (Cancel(1),)), (800, "bob", buy)))
    _, late = record(tiny((100, "ann", sell), (1_200, "ann", (Cancel(1),)), (800, "bob", buy)))
    assert list(fair.fates.values()) == [OrderFate(0, 5)]
    cost = market_cost(late, fair)
    assert (cost.late_cancels, cost.late_cancel_lots) == (1, 3)
    assert (cost.new_fills, cost.lost_fills, cost.lost_volume_lots) == (1, 0, -3)


# -- the page -----------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Holds a page to its tags, and collects what it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "tags are left open"

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "action", "srcset", "xlink:href"):
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    outcome, html = record_and_render(isolated())
    page = Page(html)
    assert outcome.verdict == "valid"
    assert [name for name in SECTIONS if name not in page.ids] == []
    assert len(page.ids) == len(set(page.ids))
    assert page.links == []
    assert "http://" not in html
    assert "https://" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert html.count("<script>") == 1
    assert "prefers-color-scheme" in html
    assert "NaN" not in html
    assert "gossipbook simulate" in page.text


def test_names_are_escaped() -> None:
    _, html = record_and_render(isolated(), command="replay <this>")
    assert "<the>" not in html
    assert "isolate &lt;the&gt; leader &amp; co.toml" in html
    assert "why &lt;b&gt;not&lt;/b&gt;?" in html
    assert "replay &lt;this&gt;" in html


def test_the_same_plan_gives_the_same_page() -> None:
    assert record_and_render(isolated(4)) == record_and_render(isolated(4))


def test_a_run_in_which_nothing_happens_says_so() -> None:
    _, html = record_and_render(tiny())
    text = Page(html).text
    for words in (
        "This plan has no fault",
        "no order ever rested",
        "nothing was sent",
        "no op was sent",
        "there is no event",
    ):
        assert words in text


def test_a_violation_is_shown_with_the_way_to_it() -> None:
    plan = isolated()
    recorder = Recorder()
    outcome = run_plan(plan, checkers=[*all_checkers(), PlantedViolation()], also=recorder.attend)
    recording = recorder.recording()
    assert outcome.verdict == INVALID
    assert recording.slice is not None
    assert recording.slice.why.startswith("I1 is violated")
    violation = outcome.violations[0]
    steps = way_to(recording, violation)
    assert {step.kind for step in steps} == {"op", "block", "vote", "fill"}
    assert [step.at_us for step in steps] == sorted(step.at_us for step in steps)
    assert way_to(recording, Violation("I4", 0, "no height")) == []
    html = render(outcome, recording, outcome, recording, market_cost(recording, recording), plan)
    page = Page(html)
    assert f"What led to height {violation.height}" in page.text
    assert "planted <i>here</i>" in page.text
    assert "violated once" in page.text


@pytest.mark.parametrize("kind", ["crash", "pause", "equivocating-leader", "twins", "flooder", "forger", "disk"])
def test_every_sort_of_fault_can_be_drawn(kind: str) -> None:
    fault = FaultPart(kind, at_s=0.5, for_s=0.0 if kind == "twins" else 1.5)
    scenario = Scenario(kind, workload=WorkloadPart(seconds=3, ops_per_s=6), faults=(fault,))
    outcome, html = record_and_render(make_plan(scenario, 2))
    assert outcome.violations == []
    assert kind in Page(html).text


# -- small parts --------------------------------------------------------------------------------------


def test_nearest_rank_percentiles() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0.0, 0.5, 0.75, 0.99, 1.0)] == [1, 2, 3, 4, 4]
    assert percentile([], 0.5) == 0


def test_ticks_and_labels() -> None:
    assert ticks(0, 16, 9) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert ticks(9_994, 10_006, 4) == [9_995, 10_000, 10_005]
    assert whole_ticks(1, 3) == [0, 1]
    assert apart([50, 50, 52], 0, 100, 10) == [50, 60, 70]
    assert apart([98, 99], 0, 100, 10) == [90, 100]
    assert Scale(1, 100, 0, 10, log=True)(10) == 5
    assert [in_time(us, 2) for us in (800, 76_800, 110_000, 3_740_000)] == ["0.8 ms", "77 ms", "110 ms", "3.7 s"]

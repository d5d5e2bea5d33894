"""Leases, wardens and special orders under faults; and that the judges see what is wrong with them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matching.planted import Bug, engine_with

from gossipbook.audit import Verdict, verify_exports
from gossipbook.audit.writer import write_export
from gossipbook.consensus.block import make_block
from gossipbook.consensus.records import Finalized
from gossipbook.crdt import interpretation
from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.stays import TIME_TOLD_MS
from gossipbook.matching.events import CANCELLED, FILL, LEASE_ENDED, PAIR_STATE, UNCROSSED
from gossipbook.scenario.orders import LEASE_MS, author_identity
from gossipbook.scenario.reading import parse_scenario
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.checkers import Checker
from gossipbook.sim.checkers.blocks import BlockChecker
from gossipbook.sim.checkers.fills import FillChecker
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.plan import make_plan
from gossipbook.sim.run import SimulationResult, run_plan

from .support import Tape, fault, outcome, small, warden, watched

SIMULATIONS = Path(__file__).parent.parent.parent / "simulations"
LIVELY = small(seconds=8, ops_per_s=25).replace("ops_per_s", "special = 0.5\nleases = true\nmakers = 2\nops_per_s")


def ours(name: str) -> Scenario:
    return parse_scenario((SIMULATIONS / f"{name}.toml").read_text(), name)


def seen(made: Scenario, seed: int) -> tuple[SimulationResult, Exchange, Tape]:
    tape, held = Tape(), []

    def watch(exchange: Exchange) -> None:
        exchange.world.watch(tape)
        held.append(exchange)

    return run_plan(make_plan(made, seed), also=watch), held[0], tape


# -- the scenarios -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dead-mans-switch", "warden-halts-and-auctions", "special-orders"])
@pytest.mark.parametrize("seed", range(3))
def test_a_scenario_is_valid(name: str, seed: int) -> None:
    result = run_plan(make_plan(ours(name), seed))
    assert result.verdict == "valid", result.summary
    assert min(result.checks.values()) > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_majority_cancels_what_a_maker_left_behind(seed: int) -> None:
    """While its peer is cut off, and with no op in the block; the peer itself learns of it after the cut."""
    _, exchange, tape = seen(ours("dead-mans-switch"), seed)
    maker, home = author_identity("maker 0").public_key, exchange.roles.home("maker 0")
    assert exchange.injector is not None
    cut = [(one.began_us, one.ended_us) for one in exchange.injector.injected]
    found = []
    for at_us, host, event in tape.finals():
        ended = any(e[0] == LEASE_ENDED and e[2] == maker for e in event.events)
        if ended and any(began < at_us < over for began, over in cut):
            assert host is not home
            found.append(event)
    assert any(not event.items for event in found)
    gone = [e for event in found for e in event.events if e[0] == CANCELLED and e[6] == 9]
    assert gone
    assert {e[2] for e in gone} == {maker}


@pytest.mark.parametrize("name", ["dead-mans-switch", "warden-halts-and-auctions", "special-orders"])
def test_what_its_peers_export_is_valid(name: str, tmp_path: Path) -> None:
    made = ours(name)
    _, exchange, _ = seen(replace(made, network=replace(made.network, signatures="real")), 0)
    paths = []
    for host in exchange.roles.hosts[:2]:
        paths.append(tmp_path / host.name)
        write_export(paths[-1], exchange.manifest, "SIM0/USD", host.journal.blocks("SIM0/USD", 1, 10_000, 0))
    report = verify_exports(paths, manifest=exchange.manifest)
    assert (report.verdict, report.reasons, report.digests_equal) == (Verdict.VALID, [], True)


def test_nothing_trades_before_an_auction_ends_and_then_at_one_price() -> None:
    _, _, tape = seen(ours("warden-halts-and-auctions"), 1)
    host = tape.finals()[0][1]
    state, uncrossed, price, at_it = 1, 0, 0, 0
    for _, _, event in tape.finals(host):
        for e in event.events:
            if e[0] == PAIR_STATE:
                state, price = e[3], 0
            elif e[0] == UNCROSSED:
                uncrossed, price, at_it = uncrossed + 1, e[2], e[3]
            elif e[0] == FILL and at_it:
                assert e[2] == price
                at_it -= e[3]
            elif e[0] == FILL:
                assert state == 1
    assert uncrossed


def test_a_run_that_shows_less_than_expected_is_unknown() -> None:
    for key in ("lease_ends", "empty_blocks", "triggers", "slices", "auctions"):
        result = outcome(small(expect=f"term_changes = 0\n{key} = 1"))
        assert (result.verdict, result.summary) == ("unknown", f"0 {key.replace('_', ' ')} of 1 expected")


def test_what_comes_after_the_heal_does_not_count() -> None:
    """All leases run out once the makers fall silent."""
    text = small(seconds=1, ops_per_s=20).replace("ops_per_s", "leases = true\nops_per_s")
    result, _, tape = watched(text)
    assert any(e[0] == LEASE_ENDED for _, _, event in tape.finals() for e in event.events)
    assert result.verdict == "valid"
    assert result.heal_s > LEASE_MS / 1_000 - 1, "it is not at rest before they have"
    assert outcome(text + "lease_ends = 1\n").summary == "0 lease ends of 1 expected"


def test_a_loyal_author_is_cut_off_with_its_peer() -> None:
    """Its op is final only after the cut; another author's finds its way before."""
    cut = fault("partition", shape="isolate", who="home of maker 0", at_s=0, for_s=5)
    text = small(cut, peers=5, seconds=6)
    waits = []
    for loyal in ("true", "false"):
        _, exchange, tape = watched(text.replace("ops_per_s", f"loyal = {loyal}\nops_per_s"))
        maker = exchange.traders["maker 0"]
        first = next(at for at, _, e in tape.finals() for item in e.items if item.id == maker.ops[0].op.id)
        waits.append(first - exchange.opened_us)
        assert (maker.ops[0].sends > 1) or loyal == "true"
    assert waits[0] >= 5_000_000 > waits[1]


# -- the judges --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_everything_at_once_is_blamed_for_nothing(seed: int) -> None:
    states = warden("auction", at_s=2) + warden("open", at_s=4) + warden("halted", at_s=5) + warden("open", at_s=6)
    faults = fault("crash", who="2 members", at_s=1.5, for_s=1) + fault("loss", at_s=3)
    result = outcome(LIVELY.replace("[expect]", states + faults + "[expect]"), seed)
    assert result.verdict == "valid", result.summary


def told_by(checker: Checker, exchange: Exchange, tape: Tape, change: Any) -> list[tuple[str, str]]:
    """What a checker says of one host's chain, changed."""
    checker.attend(exchange.view)
    host = exchange.roles.hosts[0]
    exchange.view.healed = False
    for at_us, _, event in tape.finals(host):
        checker.emitted(host, change(event), at_us)
    checker.finish()
    exchange.view.healed = True
    return [(violation.invariant, violation.text) for violation in checker.violations]


def test_a_chain_of_such_orders_and_an_empty_block_too_many() -> None:
    _, exchange, tape = watched(LIVELY, 1)
    empty = [event for _, _, event in tape.finals(exchange.roles.hosts[0]) if not event.items]
    assert empty
    assert told_by(FillChecker(), exchange, tape, lambda event: event) == []
    chain = [event for _, _, event in tape.finals(exchange.roles.hosts[0])]
    busy = next(b for a, b in pairwise(chain) if b.items and b.block.time_ms < a.block.time_ms + TIME_TOLD_MS)

    def emptied(event: Finalized) -> Finalized:
        return replace(event, block=_without_ops(event)) if event is busy else event

    said = told_by(FillChecker(), exchange, tape, emptied)
    assert ("I10", f"block {busy.block.height} of SIM0/USD is empty, and nothing was due") in said


def _without_ops(event: Finalized) -> Any:
    b = event.block
    names = ("chain_id", "epoch", "pair", "height", "parent", "proposer", "created_term", "time_ms", "events_digest")
    return make_block(**{name: getattr(b, name) for name in names}, op_ids=())


def test_a_stop_order_that_is_accepted_with_other_lots() -> None:
    _, exchange, tape = watched(LIVELY, 1)

    def more(event: Finalized) -> Finalized:
        events = tuple((*e[:7], e[7] + 1, *e[8:]) if e[0] == 15 else e for e in event.events)
        return replace(event, events=events)

    said = told_by(FillChecker(), exchange, tape, more)
    assert any(invariant == "I2" and "its author signed for" in text for invariant, text in said)


def test_a_stop_order_of_an_op_that_ran_out() -> None:
    _, exchange, tape = watched(LIVELY, 1)
    checker = BlockChecker()
    checker.attend(exchange.view)
    event = next(e for _, _, e in tape.finals() if any(event[0] == 15 for event in e.events))
    author = next(e[2] for e in event.events if e[0] == 15)
    items = tuple(replace(item, expiry_ms=1) if item.author == author else item for item in event.items)
    checker._expiry(replace(event, items=items))
    assert [text for text in (v.text for v in checker.violations) if "past its op's expiry" in text]


def test_leases_that_never_end_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = small(seconds=12, ops_per_s=4).replace("ops_per_s", "leases = true\nnoise = 6\nops_per_s")
    planted = engine_with(Bug("engine", "elif 0 < lease_ms < time_ms:", "elif False:"))
    monkeypatch.setattr(interpretation, "Engine", planted)
    monkeypatch.setattr(Interpretation, "due", lambda *_: False)
    result = outcome(text)
    assert result.verdict == "invalid"
    assert any("has run out and was not ended" in violation.text for violation in result.violations)


def test_an_auction_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair opens with its book crossed, and whoever comes next trades through it."""
    text = small(warden("auction", at_s=1) + warden("open", at_s=5), seconds=7, ops_per_s=25, peers=5)
    found = outcome(text.replace("ops_per_s", "noise = 8\nops_per_s") + "auctions = 1\n")
    assert found.verdict == "valid", found.summary
    planted = engine_with(Bug("controls", "            self._uncross()\n", "            pass\n"))
    monkeypatch.setattr(interpretation, "Engine", planted)
    lacking = outcome(text.replace("ops_per_s", "noise = 8\nops_per_s") + "auctions = 1\n")
    assert lacking.verdict != "valid"

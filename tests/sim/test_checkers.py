"""The judges blame what is wrong, under its own invariant, and leave the honest alone.

Each is shown a real run first, which it must pass, and then the same run with one thing changed.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gossipbook.client_messages import AckLevel
from gossipbook.consensus import messages
from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.certificate import Certificate, Timeout, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.messages import CastVote, GiveUp, Propose
from gossipbook.consensus.records import Dropped, Finalized
from gossipbook.crdt import interpretation
from gossipbook.crdt.op import Evidence, Op, sign_op
from gossipbook.gossip.messages import Push
from gossipbook.ids import SIGNATURE_BYTES, ZERO_DIGEST
from gossipbook.matching.commands import Cancel, Place
from gossipbook.matching.events import ACCEPTED, FILL
from gossipbook.scenario.orders import PlannedOp
from gossipbook.sim.checkers import INVARIANTS, Checker, all_checkers
from gossipbook.sim.checkers.acks import AckChecker
from gossipbook.sim.checkers.authentic import AuthenticityChecker
from gossipbook.sim.checkers.base import VIOLATIONS_CAP
from gossipbook.sim.checkers.blocks import BlockChecker
from gossipbook.sim.checkers.bounds import CAPS, LOOK_EVERY, MESSAGE_BYTES_CAP, UNNAMED_CAP, BoundsChecker
from gossipbook.sim.checkers.committee import CommitteeChecker
from gossipbook.sim.checkers.convergence import ConvergenceChecker
from gossipbook.sim.checkers.fills import FillChecker
from gossipbook.sim.checkers.finality import FinalityChecker
from gossipbook.sim.checkers.liveness import ACCEPTED_WITHIN_US, CONSENSUS_KINDS, LivenessChecker
from gossipbook.sim.checkers.votes import VoteChecker
from gossipbook.sim.clocks import START_WALL_MS
from gossipbook.sim.disk import SimDisk
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host
from gossipbook.sim.run import run_plan
from gossipbook.wire.codec import encode_message

from .overfilling import Overfilling
from .support import fault, opened, outcome, plan, run_to, small

LIVELY = small(seconds=6, ops_per_s=150)


@dataclass
class Market:
    """A run that is over, and its chain as one honest host told it."""

    exchange: Exchange
    host: Host
    other: Host
    chain: list[tuple[int, Finalized]]

    def shown(self, checker: Checker, chain: Iterable[tuple[int, Finalized]] | None = None, to: int = 10**9) -> Checker:
        """A checker to which the chain, or another one, was told up to a height."""
        checker.attend(self.exchange.view)
        for at_us, event in self.chain if chain is None else chain:
            if event.block.height <= to:
                checker.emitted(self.host, event, at_us)
        return checker

    def blamed(self, checker: Checker, event: Finalized, by: Host | None = None) -> list[tuple[str, str]]:
        """Whom it blames for what once it is told one event more."""
        before = len(checker.violations)
        checker.emitted(by or self.host, event, self.exchange.world.now_us)
        return said(checker)[before:]

    def with_events(self, change: Any) -> list[tuple[str, str]]:
        """What the book-keeper says of a chain in one of whose blocks the events were changed by ``change``."""
        checker = FillChecker()
        checker.attend(self.exchange.view)
        changed = False
        for at_us, event in self.chain:
            events = event.events if changed else tuple(change(event.events))
            last, changed = changed, changed or events != event.events
            checker.emitted(self.host, replace(event, events=events), at_us)
            if last:
                return said(checker)
        raise AssertionError("nothing to change")


def said(checker: Checker) -> list[tuple[str, str]]:
    return [(violation.invariant, violation.text) for violation in checker.violations]


def told(blamed: list[tuple[str, str]], invariant: str, words: str) -> bool:
    return any(inv == invariant and words in text for inv, text in blamed)


@pytest.fixture(scope="module")
def market() -> Market:
    exchange, tape = opened(LIVELY, 4)
    run_to(exchange, 6.1)
    exchange.heal()
    assert exchange.settle(20_000)
    assert exchange.checkers[0].fills > 10  # type: ignore[attr-defined]
    host, other = exchange.roles.hosts[0], exchange.roles.hosts[1]
    return Market(exchange, host, other, [(at, event) for at, _, event in tape.finals(host)])


def rebuilt(block: Block, **changes: Any) -> Block:
    """Another block that differs in what is said."""
    fields = {
        name: getattr(block, name)
        for name in ("chain_id", "epoch", "pair", "height", "parent", "proposer", "created_term", "time_ms", "op_ids")
    }
    return make_block(**{**fields, "events_digest": block.events_digest, **changes})


# -- all of them --------------------------------------------------------------------------------------------


def test_all_invariants_are_compared_and_hold_in_a_run_with_faults() -> None:
    result = outcome(small(fault("partition", at_s=1, for_s=4.5), "term_changes = 1", peers=5, seconds=8))
    assert result.verdict == "valid", result.summary
    assert tuple(result.checks) == INVARIANTS
    assert min(result.checks.values()) > 0, result.checks


@pytest.mark.parametrize("checker", all_checkers(), ids=lambda checker: type(checker).__name__)
def test_an_honest_run_is_blamed_for_nothing(market: Market, checker: Checker) -> None:
    market.shown(checker)
    checker.sample(market.exchange.world.now_us)
    checker.finish()
    assert said(checker) == []


@pytest.mark.parametrize("checker", all_checkers(), ids=lambda checker: type(checker).__name__)
def test_liars_are_held_to_nothing(market: Market, checker: Checker) -> None:
    checker.attend(market.exchange.view)
    market.other.faulty = True
    try:
        for at_us, event in market.chain:
            checker.emitted(market.other, replace(event, block=rebuilt(event.block, time_ms=1), events=()), at_us)
        checker.sent(market.other, (), bytes([0x82, 21]) + bytes(MESSAGE_BYTES_CAP), 0)
        checker.disconnected(market.other, market.host.peer_id, "why not", 0)
    finally:
        market.other.faulty = False
    assert said(checker) == []


def test_a_run_in_which_nothing_happened_is_unknown() -> None:
    result = outcome(small(ops_per_s=0))
    assert (result.verdict, result.fills, result.violations) == ("unknown", 0, [])
    assert result.summary == "0 fills of 1 expected"


def test_a_partition_that_changes_no_term_is_unknown() -> None:
    text = small(fault("partition", shape="isolate", who="follower", at_s=1, for_s=1), "fills = 0", peers=5)
    result = outcome(text)
    assert (result.verdict, result.summary) == ("unknown", "0 term changes of 1 expected")


def test_a_member_that_lost_its_journal_must_be_expected() -> None:
    text = fault("disk", trouble="flips", at_s=1)
    assert outcome(small(text, "observers = 1", peers=5)).verdict == "valid"
    result = outcome(small(text, peers=5))
    assert (result.verdict, result.summary) == ("unknown", "1 members lost their journal, 0 expected")


def test_blame_has_a_cap(market: Market) -> None:
    checker = Checker()
    checker.attend(market.exchange.view)
    for number in range(VIOLATIONS_CAP + 50):
        checker.blame("I1", str(number))
    assert len(checker.violations) == VIOLATIONS_CAP
    assert said(checker)[0] == ("I1", "0")


def test_a_core_that_trips_over_itself_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(*_: object) -> None:
        raise AssertionError("over my own feet")

    monkeypatch.setattr(Overfilling, "end_block", trip)
    monkeypatch.setattr(interpretation, "Engine", Overfilling)
    result = outcome()
    assert result.verdict == "invalid"
    assert "over my own feet" in result.summary
    assert [violation.invariant for violation in result.violations] == ["core"]


def test_more_messages_than_the_budget_are_a_finding() -> None:
    result = outcome(small() + "[budget]\ndeliveries = 200\n")
    assert result.verdict == "invalid"
    assert result.summary.startswith("I8 at ")
    assert "more than 200 messages" in result.summary
    assert result.deliveries == 201


# -- I1, I2 -------------------------------------------------------------------------------------------------


def test_two_blocks_at_one_height(market: Market) -> None:
    checker = market.shown(FillChecker())
    event = market.chain[3][1]
    rival = replace(event, block=rebuilt(event.block, time_ms=event.block.time_ms + 1), events=())
    assert market.blamed(checker, rival, market.other) == [
        ("I1", f"two final blocks at height 4 of SIM0/USD: {market.other.name} has another")
    ]
    assert (checker.violations[0].pair, checker.violations[0].height) == ("SIM0/USD", 4)


def test_two_blocks_at_one_height_that_fill_an_order_twice(market: Market) -> None:
    height = next(e.block.height for _, e in market.chain if any(x[0] == FILL for x in e.events))
    checker = market.shown(FillChecker(), to=height)
    event = market.chain[height - 1][1]
    rival = replace(event, block=rebuilt(event.block, time_ms=event.block.time_ms + 1))
    assert told(market.blamed(checker, rival), "I1", "orders are filled twice by two blocks at one height")


def test_one_block_executed_to_two_outcomes(market: Market) -> None:
    event = replace(market.chain[0][1], events=market.chain[0][1].events[:-1])
    assert told(market.blamed(market.shown(FillChecker()), event, market.other), "I1", "executed block 1 of")
    assert told(market.blamed(market.shown(ConvergenceChecker()), event, market.other), "I4", "executed block 1 of")


def at_first_fill(change: Any) -> Any:
    """Changes the events of a block around its first fill."""

    def changed(events: tuple[Any, ...]) -> list[Any]:
        at = next((at for at, event in enumerate(events) if event[0] == FILL), None)
        return list(events) if at is None else [*events[:at], *change(events[at]), *events[at + 1 :]]

    return changed


def field(event: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*event[:at], value, *event[at + 1 :])


FILLS = {
    "more than is open": (lambda e: [field(e, 3, 10_000)], "I1", "filled twice or too much"),
    "nothing": (lambda e: [field(e, 3, 0)], "I1", "filled twice or too much"),
    "of nobody's order": (lambda e: [field(e, 5, 99_999)], "I1", "fills an order that nobody signed"),
    "beyond a limit": (lambda e: [field(e, 2, 1 if e[8] == 2 else 99_999)], "I2", "beyond its limit"),
    "with oneself": (lambda e: [field(field(e, 6, e[4]), 7, e[5])], "I2", "of one author trade"),
    "on the wrong side": (lambda e: [field(e, 8, 3 - e[8])], "I2", "not on the sides that trade"),
    "out of number": (lambda e: [field(e, 1, e[1] + 1)], "I2", "follows event"),
    "missing": (lambda e: [], "I2", "follows event"),
}


@pytest.mark.parametrize("case", FILLS)
def test_a_fill_that_cannot_be(market: Market, case: str) -> None:
    change, invariant, words = FILLS[case]
    blamed = market.with_events(at_first_fill(change))
    assert told(blamed, invariant, words), blamed


def test_a_double_fill(market: Market) -> None:
    """The same fill again, and its numbers in order."""

    def again(events: tuple[Any, ...]) -> list[Any]:
        at = next((at for at, event in enumerate(events) if event[0] == FILL), None)
        if at is None:
            return list(events)
        more = [*events[: at + 1], *[events[at]] * 12, *events[at + 1 :]]
        return [field(event, 1, events[0][1] + number) for number, event in enumerate(more)]

    blamed = market.with_events(again)
    assert told(blamed, "I1", "filled twice or too much")


def at_first(kind: int, change: Any) -> Any:
    def changed(events: tuple[Any, ...]) -> list[Any]:
        at = next((at for at, event in enumerate(events) if event[0] == kind), None)
        return list(events) if at is None else [*events[:at], change(events[at]), *events[at + 1 :]]

    return changed


BOOKINGS = {
    "more lots than were signed": (ACCEPTED, lambda e: field(e, 6, e[6] + 1), "its author signed for"),
    "an order that was not placed": (ACCEPTED, lambda e: field(e, 3, 77_777), "signed for None"),
    "no side": (ACCEPTED, lambda e: field(e, 4, 3), "no side or no quantity"),
    "a cancel of more than is open": (4, lambda e: field(e, 4, e[4] + 1), "open lots and is said to keep"),
    "a cancel of nobody's": (4, lambda e: field(e, 3, 77_777), "open lots and is said to keep"),
    "an amend that does not add up": (6, lambda e: field(e, 5, e[5] + 1), "does not add up"),
    "an amend of what is not open": (6, lambda e: field(e, 3, 77_777), "amended, but not open"),
}


@pytest.mark.parametrize("case", BOOKINGS)
def test_lots_that_come_from_nowhere_or_go_there(market: Market, case: str) -> None:
    kind, change, words = BOOKINGS[case]
    blamed = market.with_events(at_first(kind, change))
    assert told(blamed, "I2", words), blamed


def test_a_book_that_is_not_what_its_events_add_up_to(market: Market) -> None:
    checker = market.shown(FillChecker())
    book = market.host.peer.pairs["SIM0/USD"].certified.engine.book  # type: ignore[union-attr]
    order = next(order for ladder in (book.bids, book.asks) for order in book.live_orders(ladder))
    order.open_lots += 1
    try:
        checker.finish()
    finally:
        order.open_lots -= 1
    assert said(checker) == [("I2", f"the book of SIM0/USD at {market.host.name} is not what its events add up to")]


def test_blocks_that_come_early_wait_for_those_before(market: Market) -> None:
    """The chain told backwards by a host is the same chain."""
    checker = market.shown(FillChecker(), reversed(market.chain))
    checker.finish()
    assert said(checker) == []
    assert checker.fills == market.exchange.checkers[0].fills  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", [1, 2])
def test_an_engine_that_overfills(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(small(), seed).verdict == "valid"
    monkeypatch.setattr(interpretation, "Engine", Overfilling)
    result = outcome(small(), seed)
    assert result.verdict == "invalid"
    assert result.violations[0].invariant in ("I1", "I2")


# -- I3 -----------------------------------------------------------------------------------------------------


def acked(market: Market) -> list[Any]:
    return [signed for trader in market.exchange.traders.values() for signed in trader.ops]


def test_an_acked_op_that_is_in_no_block(market: Market) -> None:
    lost = market.chain[2][1]
    checker = market.shown(AckChecker(), [entry for entry in market.chain if entry[1] is not lost])
    checker.finish()
    ops = {item.id.hex()[:10] for item in lost.items}
    levels = [level for signed in acked(market) if signed.op.id.hex()[:10] in ops for level in signed.heard]
    assert len(checker.violations) == min(len(levels), VIOLATIONS_CAP) > 0
    assert {inv for inv, _ in said(checker)} == {"I3"}
    assert {word for _, text in said(checker) for word in ("durable", "relayed", "certified") if word in text} == {
        level.name.lower() for level in levels
    }
    assert checker.counts["I3"] == sum(len(signed.heard) for signed in acked(market))


def test_an_op_that_was_dropped_and_said_to_be_is_not_lost(market: Market) -> None:
    lost = market.chain[2][1]
    checker = market.shown(AckChecker(), [entry for entry in market.chain if entry[1] is not lost])
    checker.emitted(market.host, Dropped("SIM0/USD", tuple(i for i in lost.items if isinstance(i, Op)), "life-over"), 0)
    checker.finish()
    assert said(checker) == []


def test_a_liars_ack_counts_for_nothing_and_a_lost_disk_voids_durable_alone(market: Market) -> None:
    hosts = market.exchange.roles.hosts
    checker = AckChecker()
    checker.attend(market.exchange.view)
    for host in hosts:
        host.observer_reason = "its disk burned"
    try:
        checker.finish()
        assert checker.violations
        assert not told(said(checker), "I3", "acked durable")
        checker = AckChecker()
        checker.attend(market.exchange.view)
        for host in hosts:
            host.faulty = True
        checker.finish()
        assert said(checker) == []
    finally:
        for host in hosts:
            host.faulty, host.observer_reason = False, ""


# -- I4 -----------------------------------------------------------------------------------------------------


def test_equal_ops_and_unequal_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that was parked behind a gap, and then had the gap filled, is told apart from one that came in order."""
    exchange, _ = opened(small(peers=6, ops_per_s=40), 1)
    checker = ConvergenceChecker()
    checker.attend(exchange.view)
    pairs = [host.peer.pairs["SIM0/USD"] for host in exchange.roles.hosts if host.peer is not None]

    def same() -> bool:
        held = [frozenset(pair.ops.bodies) for pair in pairs]
        return len({pair.replica.tip for pair in pairs}) == 1 and bool(held[0]) and held[0] == held[1]

    assert exchange.world.run(4_000, same)
    checker.sample(exchange.world.now_us)
    assert said(checker) == []
    monkeypatch.setattr(type(pairs[0].ops), "digest", lambda self: bytes([id(self) == id(pairs[0].ops)]) * 32)
    checker.sample(exchange.world.now_us)
    assert told(said(checker), "I4", "hold the same ops of SIM0/USD and differ in digest")


def test_one_tip_and_two_states(market: Market) -> None:
    checker = ConvergenceChecker()
    checker.attend(market.exchange.view)
    certified = market.other.peer.pairs["SIM0/USD"].certified  # type: ignore[union-attr]
    order = next(
        order for ladder in (certified.engine.book.bids,) for order in certified.engine.book.live_orders(ladder)
    )
    order.open_lots += 1
    try:
        checker.finish()
    finally:
        order.open_lots -= 1
    assert told(said(checker), "I4", "are at one tip of SIM0/USD with different states")


# -- I5 -----------------------------------------------------------------------------------------------------


def test_a_height_that_becomes_final_again(market: Market) -> None:
    checker = market.shown(FinalityChecker(), to=5)
    event = market.chain[2][1]
    other = replace(event, block=rebuilt(event.block, time_ms=event.block.time_ms + 1))
    assert told(market.blamed(checker, event), "I5", f"{market.host.name} finalizes again at height 3")
    assert told(market.blamed(checker, other), "I5", f"{market.host.name} finalizes another block at height 3")


def test_a_height_left_out(market: Market) -> None:
    checker = market.shown(FinalityChecker(), to=3)
    assert told(market.blamed(checker, market.chain[4][1]), "I5", "finalizes height 5 after 3")


def test_a_block_on_top_of_another(market: Market) -> None:
    checker = market.shown(FinalityChecker(), to=3)
    event = market.chain[3][1]
    stray = replace(event, block=rebuilt(event.block, parent=ZERO_DIGEST))
    assert told(market.blamed(checker, stray), "I5", "is not on top of its tip")


def test_a_chain_that_is_shorter_after_a_restart(market: Market) -> None:
    checker, disk = market.shown(FinalityChecker()), market.host.journal
    checker.started(market.host, 0)
    assert said(checker) == []
    shorter = SimDisk()
    shorter._keep(list(disk.rows())[: len(disk.rows()) // 2])
    market.host.journal = shorter
    try:
        checker.started(market.host, 0)
    finally:
        market.host.journal = disk
    assert told(said(checker), "I5", f"after a restart {market.host.name} has")


def test_a_disk_that_was_lost_begins_anew(market: Market) -> None:
    checker, disk = market.shown(FinalityChecker()), market.host.journal
    market.host.journal, market.host.observer_reason = SimDisk(), "lost"
    try:
        checker.started(market.host, 0)
        assert said(checker) == []
        assert market.blamed(checker, market.chain[0][1]) == []
    finally:
        market.host.journal, market.host.observer_reason = disk, ""


# -- I6 -----------------------------------------------------------------------------------------------------

SIGNATURE, ONE, TWO = bytes(SIGNATURE_BYTES), b"1" * 32, b"2" * 32


def sends(market: Market, *messages: Any, seat: int = 0, pushed: bool = False) -> list[tuple[str, str]]:
    """What the vote checker says of a member that sends these."""
    checker = VoteChecker()
    checker.attend(market.exchange.view)
    member = market.exchange.roles.members[seat]
    for message in messages:
        raw = encode_message(message)
        checker.sent(member, (), encode_message(Push("SIM0/USD", raw)) if pushed else raw, 0)
    return said(checker)


def vote(kind: int, term: int, height: int, block_id: bytes, seat: int = 0) -> CastVote:
    return CastVote("SIM0/USD", 0, Vote(kind, term, height, block_id, seat, SIGNATURE))


def gives_up(
    term: int,
    fin: int,
    lock_term: int | None = None,
    lock_id: bytes = ZERO_DIGEST,
    seat: int = 0,
    *,
    lock_height: int = 0,
    fc: Certificate | None = None,
) -> GiveUp:
    timeout = Timeout(term, fin, ONE, lock_term, lock_id, seat, SIGNATURE, lock_height)
    return GiveUp("SIM0/USD", 0, timeout, fc, None, ())


@pytest.mark.parametrize("pushed", [False, True])
@pytest.mark.parametrize(("kind", "words"), [(PREPARE, "two PREPAREs"), (COMMIT, "two COMMITs")])
def test_two_votes_for_one_place(market: Market, kind: int, words: str, pushed: bool) -> None:
    first = vote(kind, 0, 7, ONE)
    assert sends(market, first, first, vote(kind, 0, 8, TWO), vote(kind, 1, 7, TWO), pushed=pushed) == []
    blamed = sends(market, first, vote(kind, 0, 7, TWO), pushed=pushed)
    assert told(blamed, "I6", f"signed {words} at term 0, height 7")
    assert sends(market, vote(PREPARE, 0, 7, ONE), vote(COMMIT, 0, 7, ONE)) == []


def test_votes_of_others_are_passed_on_freely(market: Market) -> None:
    assert sends(market, vote(COMMIT, 0, 7, ONE, seat=1), vote(COMMIT, 0, 7, TWO, seat=1)) == []
    assert sends(market, gives_up(0, 1, seat=2), gives_up(0, 2, seat=2)) == []


def test_two_proposals(market: Market) -> None:
    block = market.chain[2][1].block
    other = rebuilt(block, time_ms=block.time_ms + 1)

    def propose(what: Block, term: int) -> Propose:
        return Propose("SIM0/USD", 0, term, 3, what.raw, None, None, SIGNATURE)

    assert sends(market, propose(block, 0), propose(block, 0), propose(other, 4)) == []
    assert told(sends(market, propose(block, 0), propose(other, 0)), "I6", "signed two proposals at term 0, height 3")
    assert sends(market, propose(block, 1), propose(other, 1)) == [], "passed on for the leader of term 1"
    assert told(sends(market, propose(block, 1), propose(other, 1), seat=1), "I6", "two proposals at term 1")


def test_two_timeouts(market: Market) -> None:
    assert sends(market, gives_up(3, 5), gives_up(3, 5), gives_up(4, 6)) == []
    assert told(sends(market, gives_up(3, 5), gives_up(3, 6)), "I6", "signed two TIMEOUTs at term 3")
    assert told(sends(market, gives_up(3, 5, 2, ONE), gives_up(3, 5, 1, ONE)), "I6", "signed two TIMEOUTs at term 3")


@pytest.mark.parametrize("kind", [PREPARE, COMMIT])
def test_a_vote_after_giving_up(market: Market, kind: int) -> None:
    old = vote(kind, 2, 7, ONE)
    gone = gives_up(2, 6, 2 if kind == COMMIT else None, ONE if kind == COMMIT else ZERO_DIGEST)
    assert sends(market, old, gone, old, vote(kind, 3, 7, ONE)) == [], "the old one again is no new vote"
    for term in (1, 2):
        assert told(sends(market, gives_up(2, 6), vote(kind, term, 7, ONE)), "I6", "after it gave up that term")


HIDES = "hides what it committed to at height 7"


def test_a_timeout_that_hides_a_commit(market: Market) -> None:
    committed = vote(COMMIT, 2, 7, ONE)
    shown = [gives_up(2, 6, 2, ONE), gives_up(2, 6, 3, TWO), gives_up(2, 7), gives_up(2, 9), gives_up(1, 6)]
    shown += [gives_up(2, 5, 3, ONE), gives_up(2, 5, 2, ONE, lock_height=7), gives_up(2, 5, 2, TWO, lock_height=8)]
    for honest in shown:
        assert sends(market, committed, honest) == []
    later = Certificate(COMMIT, 3, 6, ONE, ())
    assert sends(market, committed, gives_up(2, 6, fc=later)) == [], "what became final in term 3 outdates it"
    lies = [gives_up(2, 6, fc=replace(later, term=2)), gives_up(2, 6)]
    lies += [gives_up(2, 6, 1, ONE), gives_up(2, 6, 2, TWO), gives_up(5, 6), gives_up(2, 5, 2, ONE)]
    for lie in lies:
        assert told(sends(market, committed, lie), "I6", HIDES), lie


@pytest.mark.parametrize("order", [(5, 6, 7), (5, 7, 6), (7, 6, 5), (6, 5, 7)])
def test_prepares_are_on_one_chain_in_whichever_order_they_leave(market: Market, order: tuple[int, ...]) -> None:
    """What was signed first need not leave first."""
    blocks = {event.block.height: event.block for _, event in market.chain}
    proposals = [Propose("SIM0/USD", 0, 0, h, blocks[h].raw, None, None, SIGNATURE) for h in (5, 6, 7)]
    assert sends(market, *proposals, *(vote(PREPARE, 0, h, blocks[h].id, 3) for h in order), seat=3) == []
    for wrong in (5, 6):  # The lowest of two is what the other has to descend from.
        ids = {h: blocks[h].id for h in order} | {wrong: ONE}
        blamed = sends(market, *proposals, *(vote(PREPARE, 0, h, ids[h], 3) for h in order), seat=3)
        assert told(blamed, "I6", "not on one chain")


def test_memory_lasts_across_a_restart(market: Market) -> None:
    """The checker knows a key, not a process."""
    checker = VoteChecker()
    checker.attend(market.exchange.view)
    member = market.exchange.roles.members[0]
    checker.sent(member, (), encode_message(vote(PREPARE, 0, 7, ONE)), 0)
    checker.crashed(member, 0)
    checker.started(member, 0)
    checker.sent(member, (), encode_message(vote(PREPARE, 0, 7, TWO)), 0)
    assert told(said(checker), "I6", "two PREPAREs")


# -- I7 -----------------------------------------------------------------------------------------------------


def recertified(event: Finalized, **changes: Any) -> Finalized:
    return replace(event, fc=replace(event.fc, **changes))


def test_certificates_that_are_none(market: Market) -> None:
    event = market.chain[4][1]
    signers = event.fc.signers
    bad = {
        "votes of the 3 that it needs": signers[:2],
        "counts seat": (*signers[:2], signers[1], signers[2]),
        "not in the committee": (*signers, (6, SIGNATURE)),
        "not in ascending order": tuple(reversed(signers)),
    }
    for words, wrong in bad.items():
        checker = market.shown(CommitteeChecker(), to=4)
        blamed = market.blamed(checker, recertified(event, signers=wrong))
        assert told(blamed, "I7", "finalized by a certificate that is none"), words
        assert told(blamed, "I7", words)
    for changes in ({"height": 9}, {"block_id": TWO}):
        blamed = market.blamed(market.shown(CommitteeChecker(), to=4), recertified(event, **changes))
        assert told(blamed, "I7", "the certificate is another block's")
    late = replace(event, block=rebuilt(event.block, created_term=3))
    late = recertified(late, block_id=late.block.id)
    assert told(market.blamed(market.shown(CommitteeChecker(), to=4), late), "I7", "was created in term 3")


def test_signatures_of_no_committee(market: Market) -> None:
    event = market.chain[4][1]
    seat, signature = event.fc.signers[0]
    forged = (signature[:-1] + bytes([signature[-1] ^ 1]),)
    wrong = recertified(event, signers=((seat, forged[0]), *event.fc.signers[1:]))
    blamed = market.blamed(market.shown(CommitteeChecker(), to=4), wrong)
    assert told(blamed, "I7", "finalized by signatures of no committee of SIM0/USD")


def test_prepares_are_no_certificate(market: Market) -> None:
    """Signatures over PREPAREs do not finalize, whatever the certificate calls itself."""
    event = market.chain[4][1]
    committee = market.host.peer.pairs["SIM0/USD"].committee  # type: ignore[union-attr]
    identities = {m.identity.public_key: m.identity for m in market.exchange.roles.members}
    body = committee.vote_body(PREPARE, event.fc.term, 5, event.block.id)
    signers = tuple(
        (seat, identities[committee.key(seat)].sign(b"vote\0\0\0\0", market.exchange.manifest.chain_id, body))
        for seat in range(3)
    )
    blamed = market.blamed(market.shown(CommitteeChecker(), to=4), recertified(event, signers=signers))
    assert told(blamed, "I7", "finalized by signatures of no committee")


def test_two_quorums(market: Market) -> None:
    event = market.chain[4][1]
    other = replace(event, block=rebuilt(event.block, time_ms=event.block.time_ms + 1))
    assert told(market.blamed(market.shown(CommitteeChecker()), other), "I7", "two quorums for height 5 of SIM0/USD")


def test_a_committee_of_ones_own(market: Market) -> None:
    checker = CommitteeChecker()
    checker.attend(market.exchange.view)
    checker.started(market.host, 0)
    assert said(checker) == []
    pair = market.host.peer.pairs["SIM0/USD"]  # type: ignore[union-attr]
    right = pair.committee
    pair.committee = dataclasses.replace(right, seats=right.seats[::-1])
    try:
        checker.started(market.host, 0)
    finally:
        pair.committee = right
    assert said(checker) == [("I7", f"{market.host.name} believes in another committee of SIM0/USD")]


# -- I8 -----------------------------------------------------------------------------------------------------


def test_a_message_beyond_the_cap(market: Market) -> None:
    checker = BoundsChecker()
    checker.attend(market.exchange.view)
    checker.sent(market.host, (), bytes(MESSAGE_BYTES_CAP), 0)
    assert said(checker) == []
    checker.sent(market.host, (), bytes(MESSAGE_BYTES_CAP + 1), 0)
    assert said(checker) == [("I8", f"{market.host.name} sends a message of {MESSAGE_BYTES_CAP + 1} bytes")]


@pytest.mark.parametrize("made", [dict, list, set])
def test_a_table_without_a_bound(market: Market, made: Any) -> None:
    """In any part of a peer that can be reached from it."""
    replica = market.host.peer.pairs["SIM0/USD"].replica  # type: ignore[union-attr]
    for size, wrong in ((UNNAMED_CAP, False), (UNNAMED_CAP + 1, True)):
        checker = BoundsChecker()
        checker.attend(market.exchange.view)
        replica.member.chain.planted = made.fromkeys(range(size)) if made is dict else made(range(size))
        try:
            checker.finish()
        finally:
            del replica.member.chain.planted
        words = f"Chain.planted at {market.host.name} holds {UNNAMED_CAP + 1}, and may hold {UNNAMED_CAP}"
        assert said(checker) == ([("I8", words)] if wrong else [])


def test_a_table_beyond_its_own_cap(market: Market) -> None:
    router = market.host.peer.router  # type: ignore[union-attr]
    table = router._seen
    cap, table.cap = table.cap, 0
    checker = BoundsChecker()
    checker.attend(market.exchange.view)
    try:
        checker.finish()
    finally:
        table.cap = cap
    assert told(said(checker), "I8", "Router._seen at")


def test_tables_are_looked_at_during_a_run() -> None:
    """Each that has a cap of its own by name is there, and is found."""
    cut = fault("partition", leader="anywhere", at_s=0)
    text = small(cut, seconds=6, ops_per_s=60, peers=5).replace("ops_per_s", "special = 0.3\nops_per_s")
    exchange, _ = opened(text, 2)
    lapsing = Place(1, 1, 1, 1, 1, 2, expires_ms=START_WALL_MS + 60_000)
    for author in ("ann", "ben"):
        exchange.trade(PlannedOp(0, author, 0, (lapsing,), 0))
    checker = BoundsChecker()
    checker.attend(exchange.view)
    for number in range(30):
        run_to(exchange, number / 5)
        for _ in range(LOOK_EVERY):
            checker.sample(number)
    assert checker.counts["I8"] > 1_000
    assert said(checker) == []
    assert CAPS.keys() - checker.largest.keys() <= {"Book.line"}, "which every block runs to its end, if it can"
    assert all(size > 1 for name, size in checker.largest.items() if name in CAPS)


# -- I9 -----------------------------------------------------------------------------------------------------


def test_an_op_that_its_author_did_not_sign(market: Market) -> None:
    trader = next(iter(market.exchange.traders.values()))
    stray = sign_op(trader.identity, market.exchange.manifest.chain_id, "SIM0/USD", 99, ONE, (Cancel(1),))
    event = replace(market.chain[0][1], items=(stray,))
    blamed = market.blamed(market.shown(AuthenticityChecker(), to=0), event)
    assert blamed == [
        ("I9", f"an op in the name of {trader.name} is final at {market.host.name}, and {trader.name} did not sign it")
    ]


def test_an_honest_peer_sent_away(market: Market) -> None:
    checker = AuthenticityChecker()
    checker.attend(market.exchange.view)
    checker.disconnected(market.host, b"a client", "rude", 0)
    market.other.faulty = True
    checker.disconnected(market.host, market.other.peer_id, "it lies", 0)
    market.other.faulty = False
    assert said(checker) == []
    checker.disconnected(market.host, market.other.peer_id, "malformed", 0)
    names = f"{market.host.name} closed its link to the honest {market.other.name}"
    assert said(checker) == [("I9", f"{names}: malformed")]


def test_an_honest_author_frozen(market: Market) -> None:
    authors = market.host.peer.pairs["SIM0/USD"].certified.authors  # type: ignore[union-attr]
    trader = next(iter(market.exchange.view.traders.values()))
    author = trader.identity.public_key
    state = authors[author]
    authors[author] = state._replace(frozen=True)
    checker = AuthenticityChecker()
    checker.attend(market.exchange.view)
    try:
        checker.finish()
    finally:
        authors[author] = state
    assert said(checker) == [("I9", f"{market.host.name} froze {trader.name}, who never forked")]


def crowded(market: Market) -> tuple[int, Finalized]:
    """A block of ops of several authors."""
    return next((at, e) for at, e in market.chain if len({item.author for item in e.items}) > 1)


def test_a_block_out_of_order(market: Market) -> None:
    at_us, event = crowded(market)
    checker = market.shown(BlockChecker(), to=event.block.height - 1)
    checker.emitted(market.host, replace(event, items=event.items[::-1]), at_us)
    assert told(said(checker), "I9", f"block {event.block.height} of SIM0/USD is not in canonical order")


def retimed(event: Finalized, time_ms: int) -> Finalized:
    return replace(event, block=rebuilt(event.block, time_ms=time_ms))


def test_a_block_before_its_time(market: Market) -> None:
    at_us, event = market.chain[4]
    parent_ms = market.chain[3][1].block.time_ms
    wall_ms = event.block.time_ms
    for time_ms, words in (
        (parent_ms, "is not later than its parent"),
        (parent_ms - 5, "is not later than its parent"),
        (wall_ms + 2_500, "ms ahead of the time"),
    ):
        checker = market.shown(BlockChecker(), to=4)
        checker.emitted(market.host, retimed(event, time_ms), at_us)
        assert told(said(checker), "I9", words)
    for fair in (parent_ms + 1, wall_ms + 1_900):
        checker = market.shown(BlockChecker(), to=4)
        checker.emitted(market.host, retimed(event, fair), at_us)
        assert not told(said(checker), "I9", "ahead of the time")
        assert not told(said(checker), "I9", "not later")


def test_an_order_past_its_expiry(market: Market) -> None:
    at_us, event = next((at, e) for at, e in market.chain if any(x[0] == ACCEPTED for x in e.events))
    accepted = next(x for x in event.events if x[0] == ACCEPTED)
    trader = next(t for t in market.exchange.traders.values() if t.identity.public_key == accepted[2])
    placed = next(
        c
        for i in event.items
        for c in i.commands
        if i.author == accepted[2] and isinstance(c, Place) and c.client_id == accepted[3]
    )
    for expiry_ms, wrong in ((event.block.time_ms - 1, True), (event.block.time_ms, False), (0, False)):
        stale = sign_op(
            trader.identity, market.exchange.manifest.chain_id, "SIM0/USD", 0, ZERO_DIGEST, (placed,), expiry_ms
        )
        checker = market.shown(BlockChecker(), to=event.block.height - 1)
        checker.emitted(market.host, replace(event, items=(stale,)), at_us)
        assert told(said(checker), "I9", f"runs an order {placed.client_id} past its op's expiry") == wrong


def test_evidence_has_its_place_in_the_order(market: Market) -> None:
    """Before all ops; the checker reads it as the auditor does."""
    trader = next(iter(market.exchange.traders.values()))
    chain_id = market.exchange.manifest.chain_id
    two = [sign_op(trader.identity, chain_id, "SIM0/USD", 50, ONE, (Cancel(number),)) for number in (1, 2)]
    evidence = Evidence(*sorted(two, key=lambda op: op.id))
    at_us, event = crowded(market)
    for items, wrong in (((evidence, *event.items), False), ((*event.items, evidence), True)):
        checker = market.shown(BlockChecker(), to=event.block.height - 1)
        checker.emitted(market.host, replace(event, items=items), at_us)
        assert told(said(checker), "I9", "not in canonical order") == wrong


# -- I10 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaky", [False, True])
def test_a_minority_that_finalizes(leaky: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wires that carry what they are said not to carry let a cut-off member finalize."""
    text = small(fault("partition", shape="isolate", who="seat 3", at_s=0.2), seconds=8)
    checker = LivenessChecker()
    exchange, _ = opened(text, 1, [checker])
    if leaky:
        monkeypatch.setattr(exchange.network, "arrivals", lambda a, b, size, now_us: (now_us + 2_000,))
        monkeypatch.setattr(exchange.network, "severed", lambda a, b: False)
    run_to(exchange, 8)
    assert checker.counts["I10"] > 0
    assert told(said(checker), "I10", "a side with 1 of 3 votes finalized height") == leaky
    assert leaky or said(checker) == []


@pytest.mark.parametrize("deaf", [False, True])
def test_peers_that_take_no_ops(deaf: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even cut off from all others a peer accepts; one that does not is blamed after six tries."""
    text = small(fault("partition", shape="ring", at_s=0) + fault("partition", leader="anywhere", at_s=0), seconds=20)
    checker = LivenessChecker()
    exchange, _ = opened(text, 2, [checker])
    if deaf:
        monkeypatch.setattr(exchange.world, "submit", lambda *_: None)
    run_to(exchange, ACCEPTED_WITHIN_US / 1e6 + 4)
    assert told(said(checker), "I10", "found no peer that takes it") == deaf


def test_not_at_rest_after_the_heal(market: Market) -> None:
    checker = LivenessChecker()
    checker.attend(market.exchange.view)
    checker.healed(True, 60)
    assert said(checker) == []
    checker.healed(False, 60)
    ((invariant, text),) = said(checker)
    assert invariant == "I10"
    assert text.startswith("not at rest 60 s after the heal: ")


def test_words_with_nothing_to_do(market: Market) -> None:
    checker = LivenessChecker()
    checker.attend(market.exchange.view)
    raw = encode_message(vote(PREPARE, 0, 7, ONE))
    checker.sent(market.host, (), raw, 0)
    checker.listening = True
    market.other.faulty = True
    checker.sent(market.other, (), raw, 0)
    market.other.faulty = False
    checker.silent()
    assert said(checker) == []
    for message in (vote(PREPARE, 0, 7, ONE), gives_up(0, 1)):
        checker.sent(market.host, (), encode_message(message), 0)
    checker.silent()
    assert said(checker) == [("I10", f"{market.host.name} sent 2 consensus messages with nothing to do")]


def test_all_the_words_of_the_consensus_are_known() -> None:
    """Each message of the consensus is heard as one, but a STATUS and op bodies, which are others' business."""
    exchange, tape = opened(small(fault("partition", at_s=0.5, for_s=2), peers=5), 3)
    run_to(exchange, 5)
    words = {type(m): encode_message(m) for _, _, m in tape.sent_by if type(m).__module__ == messages.__name__}
    kinds = {word: raw[1] if raw[1] < 24 else raw[2] for word, raw in words.items()}
    assert {messages.Propose, CastVote, GiveUp, messages.Proof, messages.FinalizedBlock, messages.Status} <= set(kinds)
    known = {word for word, kind in kinds.items() if kind in CONSENSUS_KINDS}
    assert set(kinds) - known <= {messages.Status, messages.Bodies}


@pytest.mark.parametrize("level", [AckLevel.DURABLE, AckLevel.RELAYED, AckLevel.CERTIFIED])
def test_acks_of_every_level_are_heard(market: Market, level: AckLevel) -> None:
    assert [signed for signed in acked(market) if level in signed.heard]


def test_a_run_stops_at_the_first_thing_wrong_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpretation, "Engine", Overfilling)
    whole, first = run_plan(plan(small(), 1)), run_plan(plan(small(), 1), to_the_end=False)
    assert first.verdict == whole.verdict == "invalid"
    assert first.sim_s < whole.sim_s
    assert first.violations[0] == whole.violations[0]

"""From commands to a certified op: the trader's own client and wallet, with what a command line wants to say of it."""

import signal
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import trio

from gossipbook.cli.connect import Target, ask, reach, run
from gossipbook.cli.options import LEVELS
from gossipbook.client_messages import AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, LinkClosed, NoAnswer, SubmitRefused, WalletError
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import KINDS
from gossipbook.matching.events import Event, Rejected, RejectReason
from gossipbook.storage.keys import load_key
from gossipbook.trade.author_events import MakeCommands
from gossipbook.trade.client import Client
from gossipbook.trade.outcome import NothingToSign, OutcomeUnknown
from gossipbook.trade.peer_link import QueryFailed
from gossipbook.trade.submission import Submission
from gossipbook.trade.tickets import Ticket, require_rules
from gossipbook.trade.wallet import Wallet

LOOK_S = 2.0
LOOK_AGAIN_S = 0.02
"""How long and how often to ask what an order is, until the peer asked has executed the block that it is in."""


Make: TypeAlias = MakeCommands | Ticket
"""What to sign: the commands for a client order id, or an order."""


@dataclass(slots=True)
class OpReport:
    """How an op fared. ``events``: what its commands did in its block; None if it is not known to be in one."""

    op: Op
    level: AckLevel
    height: int
    elapsed_ms: int
    resent: int
    trouble: str = ""
    events: list[Event] | None = None
    order: dict[str, Any] = field(default_factory=dict)

    def refusal(self, client_id: int) -> str:
        """Why the book refused the op's one command, or ""."""
        kind = KINDS[type(self.op.commands[0])]
        for event in self.events or ():
            if isinstance(event, Rejected) and (event.client_id, event.command) == (client_id, kind):
                return RejectReason(event.reason).word
        return ""


@dataclass(slots=True)
class Sent:
    """How one op a pair fared; pairs in which there was nothing to send; those in which nothing could be signed."""

    author: PublicKey
    reports: dict[str, OpReport] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, GossipbookError] = field(default_factory=dict)


@dataclass(slots=True)
class _UnderWay:
    submission: Submission
    resent: int


async def submit(
    target: Target, key: Path, pair: str, make: Make, expiry_ms: int, level: AckLevel, timeout_s: float
) -> OpReport:
    """Sign the commands that ``make`` gives as one op, and follow it to a level for at most ``timeout_s``.

    Raises:
        SubmitRefused, KeyFileError, WalletError, NoAnswer: nothing was signed; says why.
    """
    sent = await submit_each(target, key, [pair], make, expiry_ms, level, timeout_s)
    for error in sent.failed.values():
        raise error
    return sent.reports[pair]


def send(target: Target, key: Path, pair: str, make: Make, expiry_ms: int, wait: str, timeout_s: float) -> OpReport:
    """:func:`submit` as a command's whole conversation."""
    return run(submit, target, key, pair, make, expiry_ms, LEVELS[wait], timeout_s)


async def submit_each(
    target: Target,
    key: Path,
    pairs: Iterable[str],
    make: Make,
    expiry_ms: int,
    level: AckLevel,
    timeout_s: float,
) -> Sent:
    """:func:`submit` in each of some pairs, all at once: what goes wrong in one keeps no other from it.

    Raises:
        SubmitRefused, KeyFileError, NoAnswer: nothing was signed.
    """
    sent = Sent(load_key(key).public_key)  # Before connecting: what is wrong with a key is wrong with any peer.
    require_rules(target.manifest, make.commands(1) if isinstance(make, Ticket) else make(1))
    deadline_s = trio.current_time() + timeout_s
    chain_id, fewer = target.manifest.chain_id, target.accept_fewer
    with closing(Wallet.open(key, chain_id, accept_fewer=fewer)) as wallet:
        async with reach(target) as client:
            client.attach(wallet)
            await _submit_all(client, wallet, list(pairs), make, expiry_ms, level, deadline_s, sent)
            with suppress(LinkClosed, NoAnswer):  # The ops are out: what is known of them is told.
                await _look(client, target, sent, level, timeout_s)
    return sent


async def _submit_all(
    client: Client,
    wallet: Wallet,
    pairs: list[str],
    make: Make,
    expiry_ms: int,
    level: AckLevel,
    deadline_s: float,
    sent: Sent,
) -> None:
    """Sign in all pairs, then wait for every op to reach a level; Ctrl-C ends the waiting."""
    under_way: dict[str, _UnderWay] = {}
    interrupted: list[str] = []

    async def sign(pair: str) -> None:
        found = await _sign(client, wallet, pair, make, expiry_ms, deadline_s, sent)
        if found is not None:
            under_way[pair] = found

    async with trio.open_nursery() as nursery:
        for pair in pairs:
            nursery.start_soon(sign, pair)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(_give_up_on_interrupt, scope, interrupted)
            for way in under_way.values():
                with suppress(OutcomeUnknown):
                    await _reach(way.submission, level, deadline_s - trio.current_time())
        nursery.cancel_scope.cancel()
    for pair in pairs:
        if pair in under_way:
            sent.reports[pair] = _report(under_way[pair], level, "".join(interrupted))


async def _sign(
    client: Client,
    wallet: Wallet,
    pair: str,
    make: Make,
    expiry_ms: int,
    deadline_s: float,
    sent: Sent,
) -> _UnderWay | None:
    try:
        calls = await client.pair(pair)
        left_s = max(deadline_s - trio.current_time(), 0)
        if isinstance(make, Ticket):
            submission = (await calls.place_ticket(wallet, make, expiry_ms, within_s=left_s)).submission
        else:
            submission = await calls.submit_made(wallet, make, expiry_ms, within_s=left_s)
    except NothingToSign:
        waiting = wallet.uncertified(pair)
        if not waiting:
            sent.skipped.append(pair)
            return None
        submission = wallet.follow(waiting[-1])
    except (SubmitRefused, WalletError) as error:
        sent.failed[pair] = error
        return None
    return _UnderWay(submission, sum(op.seq < submission.op.seq for op in wallet.uncertified(pair)))


async def _reach(submission: Submission, level: AckLevel, within_s: float) -> None:
    """Wait until an op is at a level. Raises :class:`OutcomeUnknown` if it is not in time."""
    within_s = max(within_s, 0)
    if level is AckLevel.DURABLE:
        await submission.durable(within_s=within_s)
    elif level is AckLevel.RELAYED:
        await submission.relayed(within_s=within_s)
    elif level is AckLevel.PREPARED:
        await submission.prepared(within_s=within_s)
    else:
        await submission.certified(within_s=within_s)


def _report(way: _UnderWay, level: AckLevel, interrupted: str) -> OpReport:
    submission = way.submission
    elapsed_ms = round((trio.current_time() - submission.submitted_s) * 1000)
    late = submission.level < level
    events = None if submission.outcome is None else list(submission.outcome.events)
    trouble = (interrupted or submission.trouble) if late else ""
    return OpReport(submission.op, submission.level, submission.height, elapsed_ms, way.resent, trouble, events)


async def _give_up_on_interrupt(waiting: trio.CancelScope, troubles: list[str]) -> None:
    """Ctrl-C ends the waiting, not the program: the op is out, and its author must hear of it."""
    if threading.current_thread() is not threading.main_thread():
        return
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            troubles.append("interrupted")
            waiting.cancel()
            return


async def _look(client: Client, target: Target, sent: Sent, level: AckLevel, timeout_s: float) -> None:
    """Ask what the orders are now, and why ops are in no block."""
    for pair, report in sent.reports.items():
        if report.level < level and not report.trouble:
            report.trouble = await _why_late(client, target, pair, timeout_s)
        client_id = int(getattr(report.op.commands[0], "client_id", 0))
        if client_id:
            with suppress(QueryFailed), trio.move_on_after(LOOK_S):
                while True:  # The peer asked may not have the block yet that another one proved.
                    report.order = await ask(client, target, "order", pair, sent.author.hex(), str(client_id))
                    if report.order is None or report.order["height"] >= report.height:
                        break
                    await trio.sleep(LOOK_AGAIN_S)


async def _why_late(client: Client, target: Target, pair: str, timeout_s: float) -> str:
    book = await ask(client, target, "book", pair, "1")
    absent = f", absent: {', '.join(book['absent'])}" if book["absent"] else ""
    return f"not in time ({timeout_s:g} s); {pair} is {book['state']}{absent}"

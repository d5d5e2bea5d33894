"""From commands to a certified op: sign with the author's wallet, submit, follow, and read what the block did."""

import fcntl
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from gossipbook.cli.connect import ANSWER_S, NoAnswer, Target, ask, reach, run
from gossipbook.cli.options import LEVELS
from gossipbook.cli.output import fail
from gossipbook.client_messages import AckLevel
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, KeyFileError, LinkClosed, SubmitRefused, WalletError
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import KINDS, Command
from gossipbook.matching.events import (
    Event,
    Fill,
    Grouped,
    PairStateSet,
    Rejected,
    RejectReason,
    Uncrossed,
    name_event,
)
from gossipbook.storage.keys import load_key
from gossipbook.trade.client import Client, QueryFailed
from gossipbook.trade.submission import Submission
from gossipbook.trade.tickets import require_rules
from gossipbook.trade.wallet import Wallet

LINK_CLOSED = "link closed"  # how a submission ends when its link does
STALE = "stale"  # how a peer refuses an op that is certified already


class UnsafeKey(GossipbookError):
    """Signing now could make the author an equivocator. Nothing was signed."""


@dataclass(slots=True)
class Outcome:
    """How an op fared.

    ``refused``: why the peer did not take it. ``events``: what its block did to the author's orders; None if that was
    not seen.
    """

    op: Op
    level: AckLevel
    height: int
    elapsed_ms: int
    resent: int
    trouble: str = ""
    refused: str = ""
    events: list[Event] | None = None
    order: dict[str, Any] = field(default_factory=dict)

    def refusal(self, client_id: int) -> str:
        """Why the book refused the op's one command, or ""."""
        kind = KINDS[type(self.op.commands[0])]
        for event in self.events or ():
            if isinstance(event, Rejected) and (event.client_id, event.command) == (client_id, kind):
                return RejectReason(event.reason).word
        return ""


MakeCommands = Callable[[int], Sequence[Command]]
"""The commands of an op, from the client order id that its first place may use; none: only send again what waits."""


@dataclass(slots=True)
class Sent:
    """How one op a pair fared; pairs in which there was nothing to send; those in which nothing could be signed."""

    author: PublicKey
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, GossipbookError] = field(default_factory=dict)


async def submit(
    target: Target, key: Path, pair: str, make: MakeCommands, expiry_ms: int, level: AckLevel, timeout_s: float
) -> Outcome:
    """Sign the commands that ``make`` gives as one op, and follow it to a level for at most ``timeout_s``.

    Raises:
        LaterRules, KeyFileError, UnsafeKey, NoAnswer, QueryFailed: nothing was signed.
        SubmitRefused: the peer refused the op; it stays in the wallet and is sent again before the next one.
    """
    sent = await submit_each(target, key, [pair], make, expiry_ms, level, timeout_s)
    for error in sent.failed.values():
        raise error
    outcome = sent.outcomes[pair]
    if outcome.refused:
        raise SubmitRefused(outcome.refused)
    return outcome


def send(
    target: Target, key: Path, pair: str, make: MakeCommands, expiry_ms: int, wait: str, timeout_s: float
) -> Outcome:
    """:func:`submit` as a command's whole conversation; a refusal by the peer ends the command."""
    try:
        return run(submit, target, key, pair, make, expiry_ms, LEVELS[wait], timeout_s)
    except SubmitRefused as error:
        fail(f"{target.name} refused it: {error.reason}. It stays in the wallet and is sent again before the next one.")


async def submit_each(
    target: Target,
    key: Path,
    pairs: Iterable[str],
    make: MakeCommands,
    expiry_ms: int,
    level: AckLevel,
    timeout_s: float,
) -> Sent:
    """:func:`submit` in each of some pairs, all at once: what goes wrong in one keeps no other from it.

    Raises:
        LaterRules, KeyFileError, NoAnswer: nothing was signed.
    """
    sent = Sent(load_key(key).public_key)  # Before connecting: what is wrong with a key is wrong with any peer.
    require_rules(target.manifest, make(1))
    async with reach(target) as client:
        with closing(Wallet.open(key, target.manifest.chain_id)) as wallet:
            with _only_signer(key):
                signed = await _sign_each(client, target, key, wallet, pairs, make, expiry_ms, sent)
            await _follow(client, wallet, signed, level, timeout_s, sent)
        try:
            await _look(client, target, sent, level, timeout_s)
        except (LinkClosed, NoAnswer) as error:
            for outcome in sent.outcomes.values():  # The ops are out: what is known of them must be told.
                outcome.trouble = outcome.trouble or str(error)
    return sent


async def _sign_each(
    client: Client,
    target: Target,
    key: Path,
    wallet: Wallet,
    pairs: Iterable[str],
    make: MakeCommands,
    expiry_ms: int,
    sent: Sent,
) -> dict[str, list[Op]]:
    """The ops to send in each pair, the earlier ones that nobody certified yet first."""
    known: list[str] = []
    for pair in pairs:  # Before anything is signed: here the peer may turn out to be gone.
        await client.watch(pair)
        try:
            await _catch_up_wallet(client, target, wallet, pair)
            known.append(pair)
        except (UnsafeKey, QueryFailed) as error:
            sent.failed[pair] = error
    signed: dict[str, list[Op]] = {}
    for pair in known:
        try:
            ops = wallet.uncertified(pair)
            if commands := make(wallet.next_client_id(pair)):
                ops.append(_sign(key, wallet, pair, commands, expiry_ms))
        except (KeyFileError, WalletError) as error:
            sent.failed[pair] = error
            continue
        if ops:
            signed[pair] = ops
        else:
            sent.skipped.append(pair)
    return signed


async def _look(client: Client, target: Target, sent: Sent, level: AckLevel, timeout_s: float) -> None:
    """What the blocks did, and what is known of ops that are in none."""
    certified = {pair: outcome.height for pair, outcome in sent.outcomes.items() if outcome.level is AckLevel.CERTIFIED}
    events = await _events_of(client, sent.author, certified)
    for pair, outcome in sent.outcomes.items():
        outcome.events = events.get(pair)
        if pair not in certified and not outcome.trouble and not outcome.refused and outcome.level < level:
            outcome.trouble = await _why_late(client, target, pair, timeout_s)
        outcome.order = await _order_state(client, target, pair, sent.author, _client_id(outcome.op))


async def _order_state(client: Client, target: Target, pair: str, author: PublicKey, client_id: int) -> dict[str, Any]:
    """The peer's word on an order; empty if it knows none."""
    if not client_id:
        return {}
    try:
        answer: dict[str, Any] = await ask(client, target, "order", pair, author.hex(), str(client_id))
    except QueryFailed:
        return {}
    return answer


@contextmanager
def _only_signer(key: Path) -> Iterator[None]:
    """Two processes that sign with one key at one time would give one sequence number twice: they take turns."""
    handle = os.open(key, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


async def _catch_up_wallet(client: Client, target: Target, wallet: Wallet, pair: str) -> None:
    """Learn from the peer what this key signed elsewhere, before it signs again."""
    head = await ask(client, target, "head", pair, wallet.identity.public_key.hex())
    if head["frozen"]:
        raise UnsafeKey(
            f"this key is frozen in {pair}: it signed two different ops with one sequence number. Use a new key."
        )
    fresh = wallet.next_client_id(pair) == 1
    if wallet.contradicts(pair, head["seq"], bytes.fromhex(head["head"])):
        raise UnsafeKey(
            f"{target.name} says that another copy of this key signed in {pair}: op {head['seq'] - 1} is not the one "
            "in the wallet beside the key file, and sending that could freeze the key. Ask another peer; if it says "
            "the same, move the wallet (KEY.ops) away to go on from what the network has."
        )
    wallet.adopt_head(pair, head["seq"], bytes.fromhex(head["head"]), head["last_client_id"])
    if fresh and not head["seq"]:
        book = await ask(client, target, "book", pair, "1")
        if book["state"] == "syncing":
            raise UnsafeKey(
                f"{target.name} is still syncing {pair}, and the wallet beside this key has no ops of that pair: "
                "whether the key was used elsewhere cannot be known yet. Try again when it is certifying."
            )


def _sign(key: Path, wallet: Wallet, pair: str, commands: Sequence[Command], expiry_ms: int) -> Op:
    try:
        return wallet.sign(pair, commands, expiry_ms)
    except sqlite3.Error as error:
        raise KeyFileError(f"cannot write the wallet beside {key}: {error}. Nothing was sent.") from None


async def _follow(
    client: Client, wallet: Wallet, signed: dict[str, list[Op]], level: AckLevel, timeout_s: float, sent: Sent
) -> None:
    """Send everything, then wait for each pair's last op, all of them under one deadline."""
    ways = {pair: [await client.submit(op) for op in ops] for pair, ops in signed.items()}
    troubles: list[str] = []
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(timeout_s) as deadline:
            nursery.start_soon(_give_up_on_interrupt, deadline, troubles)
            for submissions in ways.values():
                with suppress(SubmitRefused):
                    await _reach(submissions[-1], level)
        nursery.cancel_scope.cancel()
    for pair, submissions in ways.items():
        sent.outcomes[pair] = _outcome(wallet, submissions, level, "".join(troubles))


async def _reach(submission: Submission, level: AckLevel) -> None:
    """Until an op is at a level. Raises :class:`SubmitRefused`, also for a link that closed."""
    if level is AckLevel.DURABLE:
        await submission.durable()
    elif level is AckLevel.RELAYED:
        await submission.relayed()
    else:
        await submission.certified()


def _outcome(wallet: Wallet, submissions: Sequence[Submission], level: AckLevel, interrupted: str) -> Outcome:
    *before, last = submissions
    lost = last.refused.startswith(LINK_CLOSED)
    trouble = (last.refused if lost else interrupted) if last.level < level else ""
    if last.level is AckLevel.CERTIFIED:
        wallet.certified(last.op)  # And with it all that the author signed before.
    for one in before:
        if AckLevel.CERTIFIED in (last.level, one.level) or one.refused == STALE:
            wallet.certified(one.op)
        elif one.refused and last.level < level and not one.refused.startswith(LINK_CLOSED):
            trouble = f"an earlier op of this key, number {one.op.seq}, was refused: {one.refused}"
    elapsed_ms = round((trio.current_time() - last.submitted_s) * 1000)
    refused = "" if lost or last.level >= level else last.refused
    return Outcome(last.op, last.level, last.height, elapsed_ms, len(before), trouble, refused)


async def _give_up_on_interrupt(waiting: trio.CancelScope, troubles: list[str]) -> None:
    """Ctrl-C ends the waiting, not the program: the op is out, and its author must hear of it."""
    if threading.current_thread() is not threading.main_thread():
        return
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            troubles.append("interrupted")
            waiting.cancel()
            return


async def _events_of(client: Client, author: PublicKey, heights: dict[str, int]) -> dict[str, list[Event]]:
    """What blocks that were finalized while we watched did to an author: of each pair, the one at a height."""
    missing = dict(heights)
    mine: dict[str, list[Event]] = {}
    if not missing:
        return mine
    with trio.move_on_after(ANSWER_S):
        async for part in client.events:
            height = missing.get(part.pair, part.height + 1)
            if part.height > height:
                del missing[part.pair]  # It came before we watched.
            elif part.height == height:
                named = map(name_event, part.events)
                mine.setdefault(part.pair, []).extend(event for event in named if _concerns(event, author))
                if part.last:
                    del missing[part.pair]
            if not missing:
                break
    return {pair: events for pair, events in mine.items() if pair not in missing}


def _concerns(event: Event, author: PublicKey) -> bool:
    match event:
        case Fill():
            return author in (event.maker, event.taker)
        case Grouped():
            return author in (event.member, event.owner)
        case PairStateSet():
            return author == event.warden
        case Uncrossed():
            return True  # It is everybody's.
        case _:
            return author == event.author


async def _why_late(client: Client, target: Target, pair: str, timeout_s: float) -> str:
    book = await ask(client, target, "book", pair, "1")
    absent = f", absent: {', '.join(book['absent'])}" if book["absent"] else ""
    return f"not in time ({timeout_s:g} s); {pair} is {book['state']}{absent}"


def _client_id(op: Op) -> int:
    return int(getattr(op.commands[0], "client_id", 0))

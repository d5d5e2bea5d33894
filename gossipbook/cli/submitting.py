"""From commands to a certified op: sign with the author's wallet, submit, follow, and read what the block did."""

import fcntl
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from gossipbook.cli.connect import ANSWER_S, NoAnswer, Target, ask, reach
from gossipbook.client import Client, QueryFailed, Submission
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError, KeyFileError, LinkClosed, SubmitRefused
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import KINDS, Command
from gossipbook.matching.events import Event, Fill, Frozen, Rejected, RejectReason, name_event
from gossipbook.requests import AckLevel
from gossipbook.storage.keys import load_key
from gossipbook.storage.wallet import Wallet

LINK_CLOSED = "link closed"  # how a submission ends when its link does
STALE = "stale"  # how a peer refuses an op that is certified already


class UnsafeKey(GossipbookError):
    """Signing now could make the author an equivocator. Nothing was signed."""


@dataclass(slots=True)
class Outcome:
    """How an op fared. ``events``: what its block did to the author's orders; None if that was not seen."""

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


MakeCommands = Callable[[Wallet, str], Sequence[Command]]


async def submit(
    target: Target, key: Path, pair: str, make: MakeCommands, expiry_ms: int, level: AckLevel, timeout_s: float
) -> Outcome:
    """Sign the commands that ``make`` gives as one op, and follow it to a level for at most ``timeout_s``.

    Raises:
        KeyFileError, UnsafeKey, NoAnswer, QueryFailed: nothing was signed.
        SubmitRefused: the peer refused the op; it stays in the wallet and is sent again before the next one.
    """
    author = load_key(key).public_key  # Before connecting: what is wrong with a key is wrong with any peer.
    async with reach(target) as client:
        await client.watch(pair)
        with closing(Wallet.open(key, target.manifest.chain_id)) as wallet:
            with _only_signer(key):
                await _catch_up_wallet(client, target, wallet, pair)
                earlier = wallet.uncertified(pair)
                op = _sign(key, wallet, pair, make(wallet, pair), expiry_ms)
            outcome = await _follow(client, wallet, earlier, op, level, timeout_s)
        try:
            if outcome.level is AckLevel.CERTIFIED:
                outcome.events = await _events_of(client, author, outcome.height)
            elif not outcome.trouble and outcome.level < level:
                outcome.trouble = await _why_late(client, target, pair, timeout_s)
            outcome.order = await _order_state(client, target, pair, author, _client_id(op))
        except (LinkClosed, NoAnswer) as error:
            outcome.trouble = outcome.trouble or str(error)  # The op is out: what is known of it must be told.
    return outcome


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
    client: Client, wallet: Wallet, earlier: Sequence[Op], op: Op, level: AckLevel, timeout_s: float
) -> Outcome:
    sent: list[Submission] = [await client.submit(one) for one in (*earlier, op)]
    submission = sent[-1]
    trouble = await _wait(submission, level, timeout_s)
    if submission.level is AckLevel.CERTIFIED:
        wallet.certified(op)  # And with it all that the author signed before.
    for one in sent[:-1]:
        if AckLevel.CERTIFIED in (submission.level, one.level) or one.refused == STALE:
            wallet.certified(one.op)
        elif one.refused and submission.level < level and not one.refused.startswith(LINK_CLOSED):
            trouble = f"an earlier op of this key, number {one.op.seq}, was refused: {one.refused}"
    elapsed_ms = round((trio.current_time() - submission.submitted_s) * 1000)
    return Outcome(op, submission.level, submission.height, elapsed_ms, len(earlier), trouble)


async def _wait(submission: Submission, level: AckLevel, timeout_s: float) -> str:
    """Wait for a level; what ended the waiting before that, or "" for the time.

    Raises:
        SubmitRefused: the peer did not take the op.
    """
    waits = {
        AckLevel.DURABLE: submission.durable,
        AckLevel.RELAYED: submission.relayed,
        AckLevel.CERTIFIED: submission.certified,
    }
    troubles: list[str] = []
    refusal: SubmitRefused | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_give_up_on_interrupt, nursery.cancel_scope, troubles)
        with trio.move_on_after(timeout_s):
            try:
                await waits[level]()
            except SubmitRefused as error:
                refusal = error
        nursery.cancel_scope.cancel()
    if refusal is not None:
        if not refusal.reason.startswith(LINK_CLOSED):
            raise refusal
        return refusal.reason
    return "".join(troubles)


async def _give_up_on_interrupt(waiting: trio.CancelScope, troubles: list[str]) -> None:
    """Ctrl-C ends the waiting, not the program: the op is out, and its author must hear of it."""
    if threading.current_thread() is not threading.main_thread():
        return
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            troubles.append("interrupted")
            waiting.cancel()
            return


async def _events_of(client: Client, author: PublicKey, height: int) -> list[Event] | None:
    """The author's events in a block that was finalized while we watched."""
    mine: list[Event] = []
    with trio.move_on_after(ANSWER_S):
        async for part in client.events:
            if part.height > height:
                return None
            if part.height < height:
                continue
            mine += [event for event in map(name_event, part.events) if author in _authors(event)]
            if part.last:
                return mine
    return None


def _authors(event: Event) -> tuple[PublicKey, ...]:
    match event:
        case Fill():
            return event.maker, event.taker
        case Frozen():
            return (event.author,)
        case _:
            return (event.author,)


async def _why_late(client: Client, target: Target, pair: str, timeout_s: float) -> str:
    book = await ask(client, target, "book", pair, "1")
    absent = f", absent: {', '.join(book['absent'])}" if book["absent"] else ""
    return f"not in time ({timeout_s:g} s); {pair} is {book['state']}{absent}"


def _client_id(op: Op) -> int:
    return int(getattr(op.commands[0], "client_id", 0))

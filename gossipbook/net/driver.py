"""The network driver: feeds a peer core and performs its effects under the ordering law.

Two tasks. *Decide* takes whatever events are queued, has their signatures verified on a thread, runs the core,
and hands the turn's effects on. *Perform* takes all turns that are waiting, commits all their records in one
transaction on the writer's thread, and only then performs their effects, in order. While a commit is under way the
core goes on deciding, so commits group by themselves under load; no turn's effects overtake an earlier commit but
those that rest on no record, such as ops and a leader's proposals: these leave at once. Only vote states of one pair
are never grouped: each reaches the disk before the votes in it leave. Records that nothing waits for yet, as those of
ops that came by gossip, wait a moment for the next that something does wait for.
"""

import heapq
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeAlias, TypeVar

import trio

from gossipbook.client_messages import AskAuthor, AskBlock, Query, Unfollow, Watch, WatchProven
from gossipbook.effects import Disconnect, Effect, Emit, Lane, LinkId, Now, Persist, Send, SendStored, SetTimer
from gossipbook.errors import GossipbookError, JournalError, PeerFault, TooLarge
from gossipbook.identity import SignatureCheck, verify_signature
from gossipbook.net.clock import system_now
from gossipbook.net.guard import Guard, leaf
from gossipbook.net.inbox import Inbox
from gossipbook.net.link import ABUSE, Link
from gossipbook.net.turnstile import Turnstile
from gossipbook.ordered import BoundedCounter
from gossipbook.peer.events import Begun, Ending, LinkDown, LinkUp, PeerEvent, Received, TimerFired
from gossipbook.peer.peer import Peer
from gossipbook.peer.turns import at_once, transactions
from gossipbook.refusals import Scope
from gossipbook.storage.sqlite import SqliteJournal
from gossipbook.wire.codec import encode_message

log = logging.getLogger(__name__)

TURNS_CAP = 256  # turns decided but not yet performed
REST_S = 0.02
"""How long records that nothing waits for may wait for others: about as long as a block takes to name an op."""
SLOW_COMMIT_MS = 250
"""A commit that takes longer is counted: a quarter of the round timer's base."""
VERIFY_BATCH_CAP = 64  # signatures a thread hop
VERIFY_HERE_CAP = 3
"""So few are verified on the loop: a hop costs it as much as two, and whoever waits, two changes of threads."""

READING = (Query, Watch, Unfollow, AskAuthor, AskBlock, WatchProven)
ReadingMessage: TypeAlias = Query | Watch | Unfollow | AskAuthor | AskBlock | WatchProven
"""What clients send that only reads, and that no core takes."""

TURNSTILE_PAUSE_S = 1.0
"""Before a turnstile that met a fault opens again: less than clients wait for an answer to a ping."""

HAND_OVER_LOOK_S, HAND_OVER_LOOKS = 0.005, 200
"""How often it is looked whether what is said at the end has left, within a second."""
T = TypeVar("T")
Subscriber = Callable[[object], None]
AnswerRequest = Callable[[Link, ReadingMessage], None]


class Driver:
    """One peer core on the network. ``run`` it in a nursery; everything else may be called from any task."""

    def __init__(self, peer: Peer, journal: SqliteJournal, clock: Callable[[], Now] = system_now) -> None:
        self.peer = peer
        self.journal = journal
        self.clock = clock
        self.links: dict[LinkId, Link] = {}
        self.subscribers: list[Subscriber] = []
        self.guard = Guard(peer.refusals)
        self.on_request: AnswerRequest | None = None
        self.on_link_up: list[Callable[[Link], None]] = []
        self.on_link_end: list[Callable[[Link], None]] = []
        self.on_link_down: list[Callable[[LinkId], None]] = []
        self.on_commit: list[Callable[[float], None]] = []  # with the seconds that it took
        self.slowest_commit_ms = 0
        self.counts: Counter[str] = BoundedCounter()
        self._inbox = Inbox()
        self._turnstile = Turnstile(peer.refusals)
        self._turns: deque[list[Effect]] = deque()
        self._performing = False  # turns are waiting, or under way
        self._resting = False  # and wait for others, since they hold nothing but records
        self._decided = trio.Event()
        self._performed = trio.Event()
        self._timers: list[tuple[int, int, object]] = []
        self._timer_order = 0
        self._timer_set = trio.Event()
        self._writer_thread = trio.CapacityLimiter(1)
        self._reader_thread = trio.CapacityLimiter(1)
        self._verifier_threads = trio.CapacityLimiter(2)
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drive until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for loop in (self._decide, self._perform, self._fire_timers):
                nursery.start_soon(self._whole, loop)
            nursery.start_soon(
                partial(self.guard.keep, "the turnstile", self._turnstile.run, pause_s=TURNSTILE_PAUSE_S)
            )
            await self.feed([Begun()])
            task_status.started()

    async def _whole(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run one of the loops that the core depends on: whatever ends it, ends the peer, as a fault of it."""
        try:
            await loop()
        except GossipbookError:
            raise
        except Exception as error:
            raise PeerFault(f"the core's driver met a fault of this program: {leaf(error)}") from error

    @property
    def turns_waiting(self) -> int:
        """Turns that were decided and not performed yet."""
        return len(self._turns)

    @property
    def inbox_batches(self) -> int:
        """Batches of events that wait for the core."""
        return len(self._inbox)

    async def feed(self, events: list[PeerEvent]) -> None:
        """Queue events; waits while the core is behind, which holds back whoever produces them."""
        await self._inbox.put(events)

    async def hand_over(self) -> None:
        """Before the end: let the core say that it stops, and wait for what it says to be on its way."""
        await self.feed([Ending()])
        for _ in range(HAND_OVER_LOOKS):
            await trio.sleep(HAND_OVER_LOOK_S)
            if not (len(self._inbox) or self._performing or any(link.queued()[0] for link in self.links.values())):
                return

    def feed_soon(self, events: list[PeerEvent]) -> None:
        """Queue events without waiting; while the core is behind, a task waits for it."""
        try:
            self._inbox.put_nowait(events)
        except trio.WouldBlock:
            self.start_soon(self.feed, events)

    def start_soon(self, task: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Run a task beside this driver, and no longer than it. One that fails ends alone."""
        assert self._nursery is not None
        self._nursery.start_soon(self.guard.run, "a task", task, *arguments)

    # -- links --------------------------------------------------------------------------------------

    async def serve_link(self, link: Link) -> None:
        """Run a link from up to down. A link of the same name that is there already is replaced."""
        older = self.links.get(link.id)
        self.links[link.id] = link
        up: list[PeerEvent] = [LinkUp(link.id, link.hello.public_key, link.hello.role, link.outbound)]
        if older is not None:
            older.close("replaced by a newer link")
            up.insert(0, LinkDown(link.id))
        of_stranger = not self.peer.allowance.is_member(link.id)
        await self._inbox.put(up, of_stranger=of_stranger)  # In the queue of what comes over the link.
        self._tell(self.on_link_up, link)
        try:
            await link.run(self._deliver, self._turnstile if of_stranger else None)
        finally:
            self._tell(self.on_link_end, link)
            self.counts[f"links ended: {link.end_word()}"] += 1
            if link.end_word() in ABUSE:
                self.peer.refusals.count(Scope.LINK, link.end_word())
            if self.links.get(link.id) is link:
                del self.links[link.id]
                self._tell(self.on_link_down, link.id)
                with trio.CancelScope(shield=True), trio.move_on_after(1):
                    await self._inbox.put([LinkDown(link.id)], of_stranger=of_stranger)

    def _tell(self, callbacks: list[Callable[[T], None]], what: T) -> None:
        for callback in callbacks:
            with self.guard.alone("a callback"):
                callback(what)

    async def _deliver(self, link: Link, messages: list[Any]) -> None:
        """What only reads is answered by the shell; everything else is the core's."""
        if self.links.get(link.id) is not link:
            return
        of_stranger = not self.peer.allowance.is_member(link.id)
        with self._charging(link.id):
            events = self._sort(link, messages)
        if events:
            await self._inbox.put(events, of_stranger=of_stranger)

    def _charging(self, link: LinkId) -> AbstractContextManager[None]:
        """Measure work for a link, unless it is a member's."""
        return nullcontext() if self.peer.allowance.is_member(link) else self._turnstile.charging(link)

    def _sort(self, link: Link, messages: list[Any]) -> list[PeerEvent]:
        """Refuse what is too much and answer what only reads; what is for the core."""
        events: list[PeerEvent] = []
        for message in messages:
            answers = self.peer.refuse(link.id, message, self.clock())
            if answers is not None:
                for answer in answers:
                    self._perform_one(answer)
            elif isinstance(message, READING) and self.on_request is not None:
                with self.guard.alone("a question"):
                    self.on_request(link, message)
            else:
                events.append(Received(link.id, message))
        return events

    # -- deciding -----------------------------------------------------------------------------------

    async def _decide(self) -> None:
        while True:
            events = await self._inbox.take()
            await self._verify(events)
            free, effects = at_once(self._turn(events), writing=self._performing and not self._resting)
            self._perform_all(free)
            self.counts["turns"] += 1
            self.counts["events"] += len(events)
            if not self._performing and not any(isinstance(effect, Persist) for effect in effects):
                self._perform_all(effects)  # Nothing has to be durable first.
            elif effects:
                if not self._performing or (self._resting and not _may_rest(effects)):
                    self._decided.set()
                self._turns.append(effects)
                self._performing = True
            while len(self._turns) >= TURNS_CAP:
                self._performed = trio.Event()
                await self._performed.wait()

    def _turn(self, events: list[PeerEvent]) -> list[Effect]:
        """Let the core take some events."""
        now = self.clock()
        effects: list[Effect] = []
        try:
            for event in events:
                with self._charging(event.link) if isinstance(event, Received) else nullcontext():
                    effects += self.peer.handle(event, now)
            effects += self.peer.flush(now)
        except Exception as error:
            raise PeerFault(f"the core met a fault of this program: {leaf(error)}") from error
        return effects

    async def _verify(self, events: list[PeerEvent]) -> None:
        """Work out, off this thread if they are many, the verdicts that the core is about to ask for."""
        checks = [
            check for event in events if isinstance(event, Received) for check in self.peer.prepare(event.message)
        ]
        for start in range(0, len(checks), VERIFY_BATCH_CAP):
            batch = checks[start : start + VERIFY_BATCH_CAP]
            if len(batch) <= VERIFY_HERE_CAP:
                verdicts = _verify_all(batch)
            else:
                verdicts = await trio.to_thread.run_sync(_verify_all, batch, limiter=self._verifier_threads)
            for check, verdict in zip(batch, verdicts, strict=True):
                self.peer.verifier.learn(check, verdict)
            self.counts["signatures verified"] += len(batch)

    # -- performing ---------------------------------------------------------------------------------

    async def _perform(self) -> None:
        while True:
            if not self._turns:
                self._performing = False
                self._decided = trio.Event()
                await self._decided.wait()
            if all(map(_may_rest, self._turns)):
                self._resting, self._decided = True, trio.Event()
                with trio.move_on_after(REST_S):
                    await self._decided.wait()
                self._resting = False
            effects = [effect for turn in self._turns for effect in turn]
            self._turns.clear()
            self._performed.set()
            for together in transactions(effects):
                await self._commit_and_perform(together)
            await trio.lowlevel.checkpoint()

    async def _commit_and_perform(self, effects: list[Effect]) -> None:
        """All records of these effects in one transaction, then the effects."""
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        if records:
            began_ms, began_s = self.clock().timer_ms, trio.current_time()
            try:
                await trio.to_thread.run_sync(self.journal.commit, records, limiter=self._writer_thread)
            except JournalError:
                raise
            except Exception as error:
                raise PeerFault(f"the journal met a fault of this program: {leaf(error)}") from error
            took_ms = self.clock().timer_ms - began_ms
            self.counts["commits"] += 1
            self._tell(self.on_commit, trio.current_time() - began_s)
            self.counts["slow commits"] += took_ms >= SLOW_COMMIT_MS
            self.slowest_commit_ms = max(self.slowest_commit_ms, took_ms)
            self.counts["records"] += len(records)
        self._perform_all(effects)

    def _perform_all(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._perform_one(effect)

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case Persist():
                pass  # Durable by now.
            case Send():
                self._send(effect)
            case SetTimer(after_ms, timer):
                self._timer_order += 1
                due_ms = self.clock().timer_ms + after_ms
                heapq.heappush(self._timers, (due_ms, self._timer_order, timer))
                if self._timers[0][1] == self._timer_order:
                    self._timer_set.set()
            case Emit(event):
                self._tell(self.subscribers, event)
            case SendStored():
                self.start_soon(self._send_stored, effect)
            case Disconnect(link_id, reason):
                if (link := self.links.get(link_id)) is not None:
                    link.close(reason)

    def _send(self, effect: Send) -> None:
        try:
            raw = encode_message(effect.message)
        except TooLarge as error:
            self.peer.refusals.count(Scope.MESSAGE, f"not sent: too large a {type(effect.message).__name__}")
            log.warning("not sent: %s", error)
            return
        for link_id in effect.to:
            link = self.links.get(link_id)
            if link is not None:
                link.offer(raw, effect.lane)

    async def _send_stored(self, effect: SendStored) -> None:
        """Send finalized blocks from the journal; what the lane has no room for is asked for again."""
        link = self.links.get(effect.to)
        is_busy = self._reader_thread.statistics().tasks_waiting > len(self.links)
        if link is None or is_busy or not link.room(Lane.SYNC):
            self.counts["sync requests not served"] += 1
            return
        epoch = self.peer.manifest.epoch
        blocks = await trio.to_thread.run_sync(
            self.journal.blocks, effect.pair, effect.first, effect.last, epoch, limiter=self._reader_thread
        )
        for block in blocks:
            if not link.room(Lane.SYNC) or self.links.get(effect.to) is not link:
                return
            link.offer(encode_message(block), Lane.SYNC)

    # -- timers -------------------------------------------------------------------------------------

    async def _fire_timers(self) -> None:
        while True:
            self._timer_set = trio.Event()
            if not self._timers:
                await self._timer_set.wait()
                continue
            wait_ms = self._timers[0][0] - self.clock().timer_ms
            if wait_ms > 0:
                with trio.move_on_after(wait_ms / 1_000):
                    await self._timer_set.wait()
                continue
            due: list[PeerEvent] = []
            now_ms = self.clock().timer_ms
            while self._timers and self._timers[0][0] <= now_ms:
                timer = heapq.heappop(self._timers)[2]
                if not self.peer.is_over(timer):
                    due.append(TimerFired(timer))
            if due:
                await self.feed(due)


def _may_rest(effects: list[Effect]) -> bool:
    """Whether nothing of a turn waits for its records."""
    return all(isinstance(effect, Persist) for effect in effects)


def _verify_all(checks: list[SignatureCheck]) -> list[bool]:
    return [verify_signature(check) for check in checks]

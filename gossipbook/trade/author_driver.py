"""Drives an author core on trio: performs its effects, fires its timers, and tells submissions what became of them."""

import heapq
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import trio

from gossipbook.client_messages import AckLevel
from gossipbook.crdt.inserted import Inserted
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, Lane, LinkId, Persist, Send, SetTimer
from gossipbook.errors import WalletError
from gossipbook.ids import ChainId, OpId, PublicKey
from gossipbook.manifest import Manifest
from gossipbook.net.clock import system_now
from gossipbook.ordered import BoundedDict
from gossipbook.trade.author import AuthorCore
from gossipbook.trade.author_events import (
    AuthorConfig,
    AuthorEvent,
    BlockTimer,
    FollowBlocks,
    HeadTimer,
    LinkDown,
    LinkUp,
    MembersWanted,
    OpCertified,
    OpLevel,
    OpLost,
    OpTrouble,
    ResendTimer,
)
from gossipbook.trade.op_chain import StoredChain
from gossipbook.trade.submission import Submission

PASSING_REFUSALS = frozenset({Inserted.WINDOW.value, Inserted.POOL_FULL.value, Inserted.TOO_FAST.value})
"""A peer has no room at the moment; the op is sent again later."""
REFUSED_CAP = 1_024
FOREIGN_AUTHORS_CAP = 256
"""Authors whose ops were signed elsewhere and are on their way at one time."""
LOOK_S = 0.1

ENDED = "the wallet was closed"
CLOSED = "the wallet is closed; nothing was signed"
ELSEWHERE = "the wallet is in use in another thread's event loop; nothing was signed"

Offer = Callable[[object, Lane], None]
T = TypeVar("T")


class AuthorDriver:
    """Runs one author core; whoever holds links hands them over with :meth:`link_up`."""

    def __init__(self, core: AuthorCore, chain_id: ChainId) -> None:
        self.core = core
        self.chain_id = chain_id
        self.on_members_wanted: list[Callable[[MembersWanted], None]] = []
        self.on_prepared_wanted: list[Callable[[str], object]] = []  # with the pair
        self._offers: dict[LinkId, Offer] = {}
        self._submissions: dict[OpId, list[Submission]] = {}
        self._timers: list[tuple[int, int, AuthorEvent]] = []
        self._timer_number = 0
        self._wake = trio.Event()
        self._driving = trio.Lock()
        self._loop: trio.lowlevel.TrioToken | None = None  # that of the trio run which drives it
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing is followed any more."""
        return self._closed

    # -- links --------------------------------------------------------------------------------------

    def join(self, manifest: Manifest) -> None:
        """Learn the network's manifest.

        Raises:
            WalletError: the author is of another network, or in use in another thread's event loop, or closed.
        """
        if self._closed:
            raise WalletError(CLOSED)
        if manifest.chain_id != self.chain_id:
            ours, theirs = self.chain_id.hex()[:10], manifest.chain_id.hex()[:10]
            raise WalletError(f"the wallet is of chain {ours}…, the network of chain {theirs}…; nothing was signed")
        if self._is_driven_elsewhere():
            raise WalletError(ELSEWHERE)
        self._loop = trio.lowlevel.current_trio_token()
        if not self.core.joined:
            self.core.join(manifest)

    def use(self, pair: str) -> None:
        """Begin to use a pair: what the key signed in it is asked for, and what is not certified is sent."""
        if not self._closed:
            self._take(self.core.open(pair, system_now()))

    def link_up(self, up: LinkUp, offer: Offer) -> None:
        """A peer is linked; ``offer`` sends it a message."""
        self._offers[up.link] = offer
        self.handle(up)

    def link_down(self, link: LinkId) -> None:
        """A link ended."""
        if self._offers.pop(link, None) is not None:
            self.handle(LinkDown(link))

    def handle(self, event: AuthorEvent) -> None:
        """Hand an event to the core, and see to its effects."""
        if not self._closed:
            self._take(self.core.handle(event, system_now()))

    def follow(self, op: Op) -> Submission:
        """Follow an op of this author; one that is certified already is asked for, with what it did."""
        submission = self._submission(op)
        self._submissions.setdefault(op.id, []).append(submission)
        self.handle(FollowBlocks(op))
        return submission

    def _submission(self, op: Op) -> Submission:
        submission = Submission(op)
        submission.on_prepared_wanted = partial(self._want_prepared, op.pair)
        return submission

    def _want_prepared(self, pair: str) -> None:
        for callback in self.on_prepared_wanted:
            callback(pair)

    def prepared(self, op_ids: Iterable[OpId], *, taken_back: bool) -> None:
        """Note that some ops, this author's or others', are in a prepared block, or that it was taken back."""
        for op_id in op_ids:
            for submission in self._submissions.get(op_id, ()):
                if taken_back:
                    submission.take_back()
                else:
                    submission.reach(AckLevel.PREPARED)

    def _is_driven_elsewhere(self) -> bool:
        """Whether the trio run that drives this is not the one that asks."""
        return self._loop is not trio.lowlevel.current_trio_token() and self._driving.locked()

    def is_idle(self) -> bool:
        """Whether nobody waits to hear of an op."""
        return not self._submissions

    # -- driving ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Drive the core until cancelled or closed. Of several that run this, one does the work at any time."""
        async with self._driving:
            try:
                while not self._closed:
                    self._fire_timers()
                    if await self._work():
                        continue
                    with trio.move_on_after(self._patience_s()):
                        await self._wake.wait()
            finally:
                self._finish()

    async def _work(self) -> bool:
        """What there is to do besides timers; True if something was done."""
        return False

    def _finish(self) -> None:
        """What is to be done when nobody drives any more."""

    def close(self) -> None:
        """Follow nothing any more."""
        if not self._closed:
            self._finish()
            self._closed = True
            self._stir()
            for submissions in self._submissions.values():
                for submission in submissions:
                    submission.close(ENDED)
            self._submissions.clear()

    def _in_loop(self, step: Callable[[], T]) -> T:
        """Take a step where the core is driven, whichever thread calls: nothing else is under way there then."""
        if self._loop is None or (trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is self._loop):
            return step()
        try:
            if trio.lowlevel.in_trio_run():  # Another one, which this holds up for a moment.
                return _run_sync(step, self._loop)
            return trio.from_thread.run_sync(step, trio_token=self._loop)
        except trio.RunFinishedError:
            self._loop = None  # Nobody drives it any more.
            return step()

    def _stir(self) -> None:
        self._wake.set()
        self._wake = trio.Event()

    def _patience_s(self) -> float:
        """How long nothing is to be done."""
        if not self._timers:
            return math.inf
        return max((self._timers[0][0] - system_now().timer_ms) / 1_000, 0.0)

    def _fire_timers(self) -> None:
        now = system_now()
        while self._timers and self._timers[0][0] <= now.timer_ms:
            self.handle(heapq.heappop(self._timers)[2])

    # -- effects ------------------------------------------------------------------------------------

    def _take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send(to, message, lane):
                for link in to:
                    if link in self._offers:
                        self._offers[link](message, lane)
            case SetTimer(after_ms, timer):
                assert isinstance(timer, ResendTimer | HeadTimer | BlockTimer)
                self._timer_number += 1
                heapq.heappush(self._timers, (system_now().timer_ms + after_ms, self._timer_number, timer))
                self._stir()
            case Emit(event):
                self._on_emitted(event)
            case Persist():
                pass  # Kept by those who have somewhere to keep it.
            case _:
                raise AssertionError(f"an author core does not emit {type(effect).__name__}")

    def _on_emitted(self, event: object) -> None:
        match event:
            case OpLevel(op_id, level, height, own):
                # Without proof, that somebody else says so is no more than that.
                believed = level if own else min(level, AckLevel.RELAYED)
                for submission in self._submissions.get(op_id, ()):
                    submission.reach(AckLevel(believed), height if own else 0)
            case OpTrouble():
                self._on_trouble(event)
            case OpLost(op_id):
                text = (
                    "another op of its author has its number, it was certified too long ago to be found by its id, or "
                    "it followed an op that expired before the pair knew the key"
                )
                for submission in self._submissions.pop(op_id, ()):
                    submission.close(text)
            case OpCertified(op, certified):
                for submission in self._submissions.pop(op.id, ()):
                    submission.certify(certified)
            case MembersWanted():
                for callback in self.on_members_wanted:
                    callback(event)

    def _on_trouble(self, event: OpTrouble) -> None:
        for submission in self._submissions.get(event.op_id, ()):
            submission.trouble = event.reason


def _run_sync(step: Callable[[], T], loop: trio.lowlevel.TrioToken) -> T:
    """Take a step in another thread's trio run, from a thread that runs trio itself.

    Raises:
        RunFinishedError: that run has ended. And what the step raises.
    """
    ended = threading.Event()
    values: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(step())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            errors.append(error)
        ended.set()

    loop.run_sync_soon(run)
    while not ended.wait(LOOK_S):
        loop.run_sync_soon(_nothing)  # raises when that run has ended, which may have been before the step
    if errors:
        raise errors[0]
    return values[0]


def _nothing() -> None:
    return None


class ForeignAuthor(AuthorDriver):
    """Brings ops to peers that were signed elsewhere, and follows them; signs nothing.

    Nobody's key depends on such an op being certified: what all linked peers refuse for good is given up.
    """

    def __init__(self, author: PublicKey, chain_id: ChainId) -> None:
        config = AuthorConfig(ask_heads=False)
        super().__init__(AuthorCore(None, chain_id, lambda _: StoredChain(), author=author, config=config), chain_id)
        self._refused_by: BoundedDict[OpId, dict[LinkId, None]] = BoundedDict(REFUSED_CAP)

    def _on_trouble(self, event: OpTrouble) -> None:
        super()._on_trouble(event)
        if event.reason in (*PASSING_REFUSALS, "stale"):  # Stale may be what was certified long ago.
            return
        refused_by = {**(self._refused_by.get(event.op_id) or {}), event.link: None}
        self._refused_by[event.op_id] = refused_by
        if all(link in refused_by for link in self._offers):
            for submission in self._submissions.pop(event.op_id, ()):
                submission.refuse(event.reason)


def make_room(drivers: Iterable[AuthorDriver]) -> bool:
    """Whether one more foreign author may be followed. At the cap, those with nothing under way are let go."""
    followed = [each for each in drivers if isinstance(each, ForeignAuthor)]
    idle = [each for each in followed if each.is_idle()]
    if len(followed) >= FOREIGN_AUTHORS_CAP:
        for each in idle:
            each.close()
    return len(followed) - len(idle) < FOREIGN_AUTHORS_CAP

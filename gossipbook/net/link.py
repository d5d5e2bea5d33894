"""One live link: bounded outbound lanes, one reader that always drains, one writer that batches.

``offer`` never waits. When a link's lanes are full, its lowest lane is dropped and counted; when even the highest
one is, the link is closed: a peer that cannot take consensus messages is no peer.
"""

import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import trio

from gossipbook.buckets import TokenBucket
from gossipbook.effects import Lane, LinkId
from gossipbook.errors import DecodeError, LinkClosed
from gossipbook.net.clock import system_now
from gossipbook.net.clock_offset import ahead_ms
from gossipbook.net.transport import ODD_FRAMES, Channel
from gossipbook.net.turnstile import Turnstile
from gossipbook.ordered import BoundedCounter
from gossipbook.peer.faults import TOO_MANY
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.framing import FRAME_TARGET_BYTES, join_frame, split_frame
from gossipbook.wire.handshake import Hello
from gossipbook.wire.link_messages import Ping, Pong

LANES_BYTES_CAP = 16 * 2**20
LANES_MESSAGES_CAP = 65_536
AT_ONCE = 4
"""Messages of a stranger's frame that are taken before others have their turn."""
ANSWER_BYTES_PER_S, ANSWER_BYTES_BURST = 8 * 2**20, 32 * 2**20
"""Bytes of answers that one link may have; more than a replica executes that catches up."""
PINGS_PER_S, PINGS_BURST = 10, 100
"""Pings and pongs together that a link may send; each of ours sends one a second, or answers one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a link pings, and after how long it gives the other side up; in seconds."""

    ping_s: float = 5.0
    read_deadline_s: float = 15.0  # three pings unanswered
    write_deadline_s: float = 15.0


PEERS = Patience()
CLIENTS = Patience(1.0, 4.0, 4.0)
"""A trader leaves a mute peer for another one; a peer that is only slow answers pings all the same."""

TOO_SLOW = "they do not take consensus messages fast enough"
MALFORMED = "malformed frame"
SILENT = "nothing was read for too long"
STUCK = "a write took too long"
REPLACED = "replaced by a newer link"
TEXT = "they sent text; frames are binary"
PINGS = "too many pings"
OVERSIZE = "Exceeded maximum message size"  # the library's word for a frame above our cap
OWN_WORDS = frozenset(
    {TOO_SLOW, MALFORMED, SILENT, STUCK, REPLACED, TOO_MANY, TEXT, OVERSIZE, "closed here", ODD_FRAMES, PINGS}
)
ABUSE = frozenset({MALFORMED, TOO_MANY, TEXT, OVERSIZE, ODD_FRAMES, PINGS})

Deliver = Callable[["Link", list[Any]], Awaitable[None]]


class Link:
    """An authenticated link. ``run`` it until it ends; ``offer`` from anywhere."""

    def __init__(
        self, channel: Channel, hello: Hello, link_id: LinkId, *, outbound: bool, patience: Patience | None = None
    ) -> None:
        self.channel = channel
        self.hello = hello
        self.id = link_id
        self.outbound = outbound
        self._patience = patience or PEERS
        self.counts: Counter[str] = BoundedCounter()
        self.end_reason = ""
        self._lanes: tuple[deque[bytes], ...] = tuple(deque() for _ in Lane)
        self._bytes = 0
        self._messages = 0
        self.ended = trio.Event()  # nothing is sent any more; the channel may still be closing
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self._reads_since_s = self._writes_since_s = math.inf  # since when a read or write waits; infinite if none does
        self.clock_ahead_ms: int | None = None  # the other side's clock of this one, by its last ping
        self._answers = TokenBucket(ANSWER_BYTES_PER_S, ANSWER_BYTES_BURST)
        self._pings = TokenBucket(PINGS_PER_S, PINGS_BURST)

    # -- sending ------------------------------------------------------------------------------------

    def offer(self, raw: bytes, lane: Lane) -> None:
        """Queue one encoded message. Answers beyond what a link may have are dropped; who needs them asks again."""
        if lane == Lane.SYNC and not self._answers.spend(trio.current_time(), len(raw)):
            self.counts["dropped: more answers than a link may have"] += 1
            return
        self._lanes[lane].append(raw)
        self._bytes += len(raw)
        self._messages += 1
        while self._bytes > LANES_BYTES_CAP or self._messages > LANES_MESSAGES_CAP:
            self._drop_lowest()
        self._wake.set()

    def room(self, lane: Lane) -> bool:
        """Whether a lane that can be refilled on request (sync) should be given more now."""
        return self.backlog_bytes(lane) < LANES_BYTES_CAP // 4

    def backlog_bytes(self, lane: Lane) -> int:
        """Return how many bytes wait in a lane."""
        return sum(map(len, self._lanes[lane]))

    def close(self, reason: str) -> None:
        """End the link; ``run`` returns."""
        self.end_reason = self.end_reason or reason
        self._scope.cancel()

    def end_word(self) -> str:
        """Why the link ended, in words of ours: what the other side gave as its reason is not counted by its text."""
        word = self.end_reason.split(":")[0]
        return word if word in OWN_WORDS else "closed by the other side"

    def queued(self) -> tuple[int, int]:
        """Messages and bytes waiting to be sent."""
        return self._messages, self._bytes

    def _drop_lowest(self) -> None:
        for lane in sorted(Lane, reverse=True):
            queue = self._lanes[lane]
            if not queue:
                continue
            if lane == Lane.CONSENSUS:
                self.close(TOO_SLOW)
            self.counts[f"dropped {lane.name.lower()}"] += len(queue)
            self._messages -= len(queue)
            self._bytes -= sum(map(len, queue))
            queue.clear()
            return

    # -- running ------------------------------------------------------------------------------------

    async def run(self, deliver: Deliver, turnstile: Turnstile | None = None) -> None:
        """Read and write until the link ends, one way or another; never raises for what a remote does.

        ``turnstile``: which the link has to pass with each frame.
        """
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._ping)
                nursery.start_soon(self._watch)
                await self._read(deliver, turnstile)
                nursery.cancel_scope.cancel()
        self.ended.set()
        await self.channel.close(self.end_reason)

    async def _read(self, deliver: Deliver, turnstile: Turnstile | None) -> None:
        try:
            while True:
                self._reads_since_s = trio.current_time()
                frame = await self.channel.receive()
                self._reads_since_s = math.inf
                self.counts["frames in"] += 1
                self.counts["bytes in"] += len(frame)
                if turnstile is None:
                    await self._deliver(self._decode(split_frame(frame)), deliver)
                    continue
                raws = list(split_frame(frame))
                for start in range(0, len(raws), AT_ONCE):
                    async with turnstile.turn(self.id):
                        with turnstile.charging(self.id):
                            messages = self._decode(raws[start : start + AT_ONCE])
                        await self._deliver(messages, deliver)
        except LinkClosed as error:
            self.end_reason = self.end_reason or str(error)
        except DecodeError as error:
            self.end_reason = f"{MALFORMED}: {error}"

    def _decode(self, raws: Iterable[bytes]) -> list[Any]:
        messages = [decode_message(raw) for raw in raws]
        self.counts["messages in"] += len(messages)
        return [message for message in messages if not self._is_liveness(message)]

    async def _deliver(self, messages: list[Any], deliver: Deliver) -> None:
        if messages:
            await deliver(self, messages)

    def _is_liveness(self, message: object) -> bool:
        if not isinstance(message, Ping | Pong):
            return False
        if not self._pings.spend(trio.current_time()):
            raise LinkClosed(PINGS)
        if isinstance(message, Ping):
            self.clock_ahead_ms = ahead_ms(message.number, system_now().wall_ms)
            self.offer(encode_message(Pong(message.number)), Lane.CONSENSUS)
        return True

    async def _write(self) -> None:
        try:
            while True:
                if not self._messages:
                    self._wake = trio.Event()
                    await self._wake.wait()
                frame = join_frame(self._next_batch())
                self._writes_since_s = trio.current_time()
                await self.channel.send(frame)
                self._writes_since_s = math.inf
                self.counts["frames out"] += 1
                self.counts["bytes out"] += len(frame)
        except LinkClosed as error:
            self.close(str(error))

    def _next_batch(self) -> list[bytes]:
        """The most urgent messages, up to about a frame's worth."""
        batch: list[bytes] = []
        size = 0
        for queue in self._lanes:
            while queue and (not batch or size + len(queue[0]) <= FRAME_TARGET_BYTES):
                raw = queue.popleft()
                batch.append(raw)
                size += len(raw)
        self._messages -= len(batch)
        self._bytes -= size
        return batch

    async def _watch(self) -> None:
        """End the link once a read or a write waits for too long: one task, because a deadline a frame costs more."""
        patience = self._patience
        while True:
            now_s = trio.current_time()
            silent_s = self._reads_since_s + patience.read_deadline_s
            stuck_s = self._writes_since_s + patience.write_deadline_s
            if now_s >= min(silent_s, stuck_s):
                self.close(SILENT if silent_s <= stuck_s else STUCK)
                return
            await trio.sleep_until(
                min(silent_s, stuck_s, now_s + patience.read_deadline_s, now_s + patience.write_deadline_s)
            )

    async def _ping(self) -> None:
        while True:
            await trio.sleep(self._patience.ping_s)
            self.offer(encode_message(Ping(system_now().wall_ms)), Lane.CONSENSUS)

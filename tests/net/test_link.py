"""One link over a channel that is not there: lanes, caps, deadlines, and why it ended. Time is virtual."""

import pytest
import trio

from gossipbook.effects import Lane
from gossipbook.errors import LinkClosed
from gossipbook.gossip.messages import Graft
from gossipbook.net import link as link_module
from gossipbook.net.clock import system_now
from gossipbook.net.clock_offset import ahead_ms
from gossipbook.net.link import (
    LANES_BYTES_CAP,
    LANES_MESSAGES_CAP,
    PEERS,
    SILENT,
    STUCK,
    Link,
)
from gossipbook.wire.codec import decode_message, encode_message
from gossipbook.wire.framing import FRAME_TARGET_BYTES, join_frame, split_frame
from gossipbook.wire.handshake import decode_hello
from gossipbook.wire.link_messages import Ping, Pong

from .support import SYMBOL, make_hello

MESSAGE = encode_message(Graft(SYMBOL))


class Channel:
    """What a link needs of a channel. ``writable`` can be withheld."""

    remote = "nowhere"

    def __init__(self):
        self.frames = []
        self.ended = None
        self.writable = trio.Event()
        self.writable.set()
        self.say, self._said = trio.open_memory_channel(1_000)

    async def send(self, raw):
        await self.writable.wait()
        self.frames.append(raw)

    async def receive(self):
        try:
            return await self._said.receive()
        except trio.EndOfChannel:
            raise LinkClosed("closed by the other side") from None

    async def close(self, reason=""):
        self.ended = reason

    def sent(self):
        return [raw for frame in self.frames for raw in split_frame(frame)]


@pytest.fixture
def channel():
    return Channel()


@pytest.fixture
def link(channel):
    return Link(channel, decode_hello(make_hello()), bytes(20), outbound=True)


async def discard(_link, _messages):
    pass


async def keep_alive(channel):
    while True:
        await channel.say.send(join_frame([encode_message(Pong(0))]))
        await trio.sleep(1)


async def test_lanes_go_out_most_urgent_first(autojump_clock, channel, link, nursery):
    for lane in (Lane.DIGESTS, Lane.OPS, Lane.SYNC, Lane.CONSENSUS):
        link.offer(lane.name.encode(), lane)
    nursery.start_soon(link.run, discard)
    await trio.testing.wait_all_tasks_blocked()
    assert channel.sent() == [b"CONSENSUS", b"SYNC", b"OPS", b"DIGESTS"]
    assert len(channel.frames) == 1
    assert link.queued() == (0, 0)


async def test_what_is_urgent_overtakes_what_waits_and_frames_stay_near_their_target(
    autojump_clock, channel, link, nursery
):
    channel.writable = trio.Event()
    nursery.start_soon(link.run, discard)
    for _ in range(10):
        link.offer(bytes(20_000), Lane.OPS)
    await trio.testing.wait_all_tasks_blocked()
    link.offer(b"vote", Lane.CONSENSUS)
    channel.writable.set()
    await trio.testing.wait_all_tasks_blocked()
    assert channel.sent()[1] == b"vote"  # Behind the one that was already being written.
    assert len(channel.sent()) == 11
    assert max(map(len, channel.frames)) <= FRAME_TARGET_BYTES + 4 * 2


async def test_a_full_link_drops_its_lowest_lane_whole_and_counts_it(autojump_clock, link):
    for _ in range(100):
        link.offer(MESSAGE, Lane.DIGESTS)
    big = bytes(65_536)
    for _ in range(LANES_BYTES_CAP // len(big)):
        link.offer(big, Lane.OPS)
    assert link.counts["dropped digests"] == 100
    assert link.counts["dropped ops"] == 0
    assert link.queued() == (256, LANES_BYTES_CAP)
    link.offer(b"vote", Lane.CONSENSUS)
    assert link.counts["dropped ops"] == 256
    assert link.queued() == (1, 4)
    assert not link.end_reason


async def test_many_small_messages_are_capped_too(autojump_clock, link):
    for _ in range(LANES_MESSAGES_CAP + 1):
        link.offer(b"x", Lane.SYNC)
    assert link.counts["dropped sync"] == LANES_MESSAGES_CAP + 1
    assert link.queued() == (0, 0)


async def test_who_does_not_even_take_consensus_messages_is_no_peer(autojump_clock, channel, link):
    channel.writable = trio.Event()
    for _ in range(LANES_BYTES_CAP // 65_536 + 1):
        link.offer(bytes(65_536), Lane.CONSENSUS)
    with trio.fail_after(1):
        await link.run(discard)
    assert channel.ended == "they do not take consensus messages fast enough"
    assert link.queued() == (0, 0)


async def test_a_silent_other_side_is_left_at_the_read_deadline(autojump_clock, channel, link):
    began = trio.current_time()
    await link.run(discard)
    assert trio.current_time() - began == pytest.approx(PEERS.read_deadline_s)
    assert channel.ended == link.end_reason == SILENT
    pings = [decode_message(raw) for raw in channel.sent()]
    assert [type(ping) for ping in pings] == [Ping, Ping]
    assert all(abs(ahead_ms(ping.number, system_now().wall_ms)) < 60_000 for ping in pings), "they tell the time"
    assert PEERS.ping_s * 3 == PEERS.read_deadline_s


async def test_any_frame_at_all_keeps_the_link(autojump_clock, channel, link, nursery):
    nursery.start_soon(keep_alive, channel)
    with trio.move_on_after(10 * PEERS.read_deadline_s) as scope:
        await link.run(discard)
    assert scope.cancelled_caught
    assert len(channel.sent()) == pytest.approx(10 * PEERS.read_deadline_s / PEERS.ping_s, abs=1)


async def test_a_write_that_does_not_end_ends_the_link(autojump_clock, channel, link, nursery):
    channel.writable = trio.Event()
    nursery.start_soon(keep_alive, channel)
    link.offer(MESSAGE, Lane.OPS)
    began = trio.current_time()
    await link.run(discard)
    assert trio.current_time() - began == pytest.approx(PEERS.write_deadline_s)
    assert channel.ended == STUCK


async def test_pings_are_answered_and_not_delivered(autojump_clock, channel, link, nursery):
    delivered = []

    async def deliver(_link, messages):
        delivered.extend(messages)

    nursery.start_soon(link.run, deliver)
    await channel.say.send(join_frame([encode_message(Ping(7)), MESSAGE, encode_message(Pong(3))]))
    await trio.testing.wait_all_tasks_blocked()
    assert delivered == [Graft(SYMBOL)]
    assert channel.sent() == [encode_message(Pong(7))]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff" + bytes(100),
        join_frame([MESSAGE])[:-1],
        join_frame([b"\x81\x00"]),
        join_frame([b"\x81\x19\x03\xe7"]),
        join_frame([b"\xa0"]),
        join_frame([b"\x81" * 1_000]),
        join_frame([MESSAGE + b"\x00"]),
        bytes(128 * 1024 + 1),
    ],
    ids=["nothing", "prefix", "empty", "long", "cut", "kind-0", "unknown", "map", "deep", "trailing", "oversize"],
)
async def test_a_malformed_frame_ends_the_link_and_nothing_of_it_is_delivered(autojump_clock, channel, link, frame):
    delivered = []

    async def deliver(_link, messages):
        delivered.extend(messages)

    await channel.say.send(frame)
    await link.run(deliver)
    assert channel.ended.startswith("malformed frame: ")
    assert delivered == []


async def test_the_end_names_what_the_other_side_said_or_we_did(autojump_clock, channel, link):
    channel.say.close()
    await link.run(discard)
    assert channel.ended == "closed by the other side"
    ours = Link(Channel(), link.hello, bytes(20), outbound=False)
    ours.close("not wanted")
    ours.close("a later reason")
    await ours.run(discard)
    assert ours.channel.ended == "not wanted"


async def test_a_busy_core_holds_back_the_reader_but_not_the_pings(autojump_clock, channel, link, nursery):
    taken, free = [], trio.Event()

    async def deliver(_link, messages):
        taken.extend(messages)
        await free.wait()

    for _ in range(20):
        await channel.say.send(join_frame([MESSAGE]))
    nursery.start_soon(link.run, deliver)
    await trio.sleep(4 * PEERS.read_deadline_s)  # Waiting for the core is not the other side's silence.
    assert len(taken) == 1
    assert len(channel.sent()) >= 11
    free.set()
    await trio.testing.wait_all_tasks_blocked()
    assert len(taken) == 20


def test_the_caps_are_what_the_lanes_are_sized_for():
    assert link_module.LANES_BYTES_CAP >= 100 * FRAME_TARGET_BYTES

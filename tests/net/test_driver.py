"""The driver with a scripted core: the ordering law, timers, backpressure, and a disk that is full."""

import threading

import pytest
import trio

from gossipbook.consensus.records import VoteRecord
from gossipbook.effects import Emit, Lane, LinkId, Now, Persist, Send, SetTimer
from gossipbook.errors import JournalFull
from gossipbook.gossip.messages import Graft
from gossipbook.identity import Verifier
from gossipbook.net.driver import TURNS_CAP, Driver
from gossipbook.net.inbox import EVENTS_PER_TURN_CAP, INBOX_CAP
from gossipbook.peer.events import Begun, Submitted, TimerFired
from gossipbook.peer.turns import transactions
from gossipbook.refusals import Refusals
from gossipbook.wire.codec import decode_message

from .support import until

LINK: LinkId = bytes(20)


class Core:
    """Answers each submitted value with the effects scripted for it."""

    def __init__(self, script):
        self.script = script
        self.events = []
        self.verifier = Verifier()
        self.refusals = Refusals()

    def prepare(self, _message):
        return []

    def is_over(self, _timer):
        return False

    def handle(self, event, _now):
        self.events.append(event)
        key = event.op if isinstance(event, Submitted) else event.timer if isinstance(event, TimerFired) else None
        return list(self.script.get(key, []))

    def flush(self, _now):
        return []


class Journal:
    """Commits when it is let; ``full`` refuses. Runs on the driver's writer thread."""

    def __init__(self):
        self.open = threading.Event()
        self.open.set()
        self.begun = []
        self.done = []
        self.full = False

    def commit(self, records):
        self.begun.append(list(records))
        assert self.open.wait(20)
        if self.full:
            raise JournalFull("cannot write to here: disk full. Free some space and start again.")
        self.done.append(list(records))


class Wire:
    """Stands where a link stands: remembers what is offered."""

    def __init__(self, log):
        self._log = log

    def offer(self, raw, _lane):
        self._log.append(decode_message(raw).topic)


class Bench:
    def __init__(self, script, clock=None):
        self.core, self.journal, self.log = Core(script), Journal(), []
        self.driver = Driver(self.core, self.journal, clock) if clock else Driver(self.core, self.journal)
        self.driver.links[LINK] = Wire(self.log)
        self.driver.subscribers.append(self.log.append)

    async def tell(self, *values):
        for value in values:
            await self.driver.feed([Submitted(value)])

    async def decided(self, value):
        """Until the core has dealt with a value."""
        await until(lambda: Submitted(value) in self.core.events)


def send(name):
    return Send((LINK,), Graft(name), Lane.CONSENSUS)


@pytest.fixture
def started(nursery):
    """Starts a bench, and lets its journal go at the end, so that no thread is left waiting."""
    benches = []

    async def start(script, **options):
        bench = Bench(script, **options)
        benches.append(bench)
        await nursery.start(bench.driver.run)
        return bench

    yield start
    for bench in benches:
        bench.journal.open.set()


async def test_nothing_leaves_before_the_records_that_came_before_it_are_durable(started):
    bench = await started(
        {
            "vote": [Persist("r1"), send("VOTE"), Emit("voted")],
            "chat": [send("CHAT"), Emit("chatted")],  # No record of its own: it must not overtake the vote's.
            "both": [send("BEFORE"), Persist("r2"), send("AFTER")],
        }
    )
    bench.journal.open.clear()
    await bench.tell("vote")
    await until(lambda: bench.journal.begun)
    await bench.tell("chat", "both")
    await bench.decided("both")  # Deciding goes on meanwhile ...
    await trio.testing.wait_all_tasks_blocked()
    assert bench.log == []  # ... performing does not.
    assert bench.journal.begun == [["r1"]]
    bench.journal.open.set()
    await until(lambda: len(bench.log) == 6)
    assert bench.log == ["VOTE", "voted", "CHAT", "chatted", "BEFORE", "AFTER"]
    assert bench.journal.done == [["r1"], ["r2"]]


async def test_turns_that_wait_for_a_commit_share_the_next_one(started):
    bench = await started({number: [Persist(number), Emit(number)] for number in range(50)})
    bench.journal.open.clear()
    await bench.tell(0)
    await until(lambda: bench.journal.begun)
    await bench.tell(*range(1, 50))
    await bench.decided(49)
    bench.journal.open.set()
    await until(lambda: len(bench.log) == 50)
    assert bench.log == list(range(50))
    assert bench.journal.done == [[0], list(range(1, 50))]
    assert bench.driver.counts["commits"] == 2


async def test_a_full_disk_ends_the_driver_and_nothing_that_depended_on_it_is_sent():
    bench = Bench({"vote": [Persist("r"), send("VOTE")], "chat": [send("CHAT")]})
    bench.journal.full = True

    async def run():
        async with trio.open_nursery() as nursery:
            await nursery.start(bench.driver.run)
            await bench.tell("vote", "chat")

    with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(10):
        await run()
    assert caught.group_contains(JournalFull, match="Free some space")
    assert bench.log == []


async def test_a_core_that_is_behind_holds_back_whoever_brings_events(started):
    batch = [Submitted("r")] * EVENTS_PER_TURN_CAP
    bench = await started({"r": [Persist("r")]})
    bench.journal.open.clear()
    await bench.driver.feed([Submitted("r")])
    await until(lambda: bench.journal.begun)
    fed = 0
    with trio.move_on_after(60) as scope:
        while fed <= TURNS_CAP + INBOX_CAP + 5:
            with trio.move_on_after(0.5) as held_back:
                await bench.driver.feed(batch)
                fed += 1
            if held_back.cancelled_caught:
                break
    assert not scope.cancelled_caught
    assert INBOX_CAP <= fed <= TURNS_CAP + INBOX_CAP + 2
    bench.journal.open.set()
    await until(lambda: len(bench.core.events) == 2 + fed * len(batch))  # Begun, the first, and all that were taken.


async def test_timers_come_back_in_order_and_once(autojump_clock, started):
    def now():
        return Now(0, round(trio.current_time() * 1_000))

    def fired():
        return [event.timer for event in bench.core.events if isinstance(event, TimerFired)]

    bench = await started(
        {
            "go": [SetTimer(500, "late"), SetTimer(100, "soon"), SetTimer(100, "second"), SetTimer(0, "at once")],
            "soon": [SetTimer(50, "again")],
        },
        clock=now,
    )
    began = trio.current_time()
    await bench.tell("go")
    await until(lambda: "late" in fired(), within_s=600, every_s=0.01)
    assert fired() == ["at once", "soon", "second", "again", "late"]
    assert trio.current_time() - began == pytest.approx(0.5, abs=0.02)
    await trio.sleep(100)
    assert len(fired()) == 5


async def test_the_first_event_is_that_it_begins(started):
    bench = await started({})
    await until(lambda: bench.core.events)
    assert bench.core.events == [Begun()]


async def test_what_is_sent_to_a_link_that_went_is_dropped(started):
    bench = await started({"x": [Send((b"gone" * 5, LINK), Graft("X"), Lane.OPS), Emit("x")]})
    await bench.tell("x")
    await until(lambda: bench.log == ["X", "x"])


def test_vote_states_of_one_pair_are_never_in_one_transaction():
    """The later would replace the earlier, whose votes would leave without ever having been on disk."""

    def votes(pair, state):
        return Persist(VoteRecord(pair, 0, state))

    effects = [
        votes("A", b"1"),
        Emit(1),
        votes("B", b"1"),
        Emit(2),
        votes("A", b"2"),
        Emit(3),
        votes("B", b"2"),
        Emit(4),
    ]
    parts = transactions(effects)
    assert [effect for part in parts for effect in part] == effects
    assert parts == [effects[:4], effects[4:]]
    assert transactions([Emit(1)]) == [[Emit(1)]]

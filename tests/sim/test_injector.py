"""Each kind of fault is really there while it is on, and really gone at its end and at the heal."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from gossipbook.consensus.records import VoteState
from gossipbook.ids import PeerId
from gossipbook.sim.clocks import START_WALL_MS
from gossipbook.sim.exchange import Exchange
from gossipbook.sim.host import Host, Observer
from gossipbook.sim.injected import Injected
from gossipbook.sim.injector import FUSE_US
from gossipbook.storage.rows import VoteRow
from gossipbook.wire.codec import decode_message

from .support import Tape, fault, opened, run_to, small

ON, OFF, LATER = 1.0, 3.0, 5.0


class Wires(Observer):
    """How long each message took, by direction."""

    def __init__(self) -> None:
        self.left: dict[tuple[PeerId, PeerId, bytes], list[int]] = defaultdict(list)
        self.took: dict[tuple[PeerId, PeerId], list[tuple[int, int]]] = defaultdict(list)  # (left, arrived)
        self.copies: Counter[tuple[PeerId, PeerId, bytes]] = Counter()

    def sent(self, host: Host, to: tuple[bytes, ...], raw: bytes, now_us: int) -> None:
        for other in to:
            self.left[host.peer_id, other, raw].append(now_us)

    def delivered(self, host: Host, sender: PeerId, raw: bytes, now_us: int) -> None:
        left = self.left.get((sender, host.peer_id, raw))
        if left:
            self.took[sender, host.peer_id].append((max(at for at in left if at <= now_us), now_us))
            self.copies[sender, host.peer_id, raw] += 1

    def by(self, host: Host, since_us: int, until_us: int) -> list[tuple[int, int]]:
        """What a host sent in a span of time and somebody got."""
        found = [pair for (a, _), pairs in self.took.items() if a == host.peer_id for pair in pairs]
        return [(left, at) for left, at in found if since_us <= left < until_us]

    def got(self, host: Host, since_us: int) -> set[str]:
        """The kinds of what a host sent since then and somebody got."""
        return {
            type(decode_message(raw)).__name__
            for (sender, to, raw), left in self.left.items()
            if sender == host.peer_id and left[-1] >= since_us and self.copies[sender, to, raw]
        }


def one(text: str, seed: int = 0, **options: float) -> tuple[Exchange, Tape, Injected, Wires]:
    exchange, tape = opened(small(text, seconds=6, **options), seed)  # type: ignore[arg-type]
    wires = Wires()
    exchange.world.watch(wires)
    assert exchange.injector is not None
    return exchange, tape, exchange.injector.injected[0], wires


def on(kind: str, **keys: object) -> str:
    return fault(kind, at_s=ON, for_s=OFF - ON, **keys)


def at_us(exchange: Exchange, second: float) -> int:
    return exchange.opened_us + round(second * 1e6)


# -- when ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["partition", "loss", "pause", "crash", "disk", "clock", "silent-leader"])
def test_it_is_on_from_its_time_to_its_end(kind: str) -> None:
    exchange, _, injected, _ = one(on(kind))
    assert exchange.injector is not None
    for second, active in ((ON - 0.01, False), (ON + 0.01, True), (OFF - 0.01, True), (OFF + 0.01, False)):
        run_to(exchange, second)
        assert injected.active == active
        assert exchange.injector.active() == ([injected] if active else [])
    assert (injected.began_us, injected.ended_us) == (at_us(exchange, ON), at_us(exchange, OFF))
    assert injected.hosts


def test_without_an_end_it_lasts_until_the_heal() -> None:
    exchange, _, injected, _ = one(fault("partition", at_s=ON))
    run_to(exchange, LATER)
    assert injected.active
    exchange.heal()
    assert injected.ended_us == exchange.world.now_us == exchange.healed_us


def test_nothing_begins_after_the_heal() -> None:
    exchange, tape, injected, _ = one(
        fault("crash", at_s=ON, who="everyone") + fault("partition", at_s=2, when="prepared")
    )
    exchange.heal()
    run_to(exchange, LATER)
    assert injected.began_us == -1
    assert tape.crashes == []
    assert not any(exchange.network.is_cut(a, b) for a in exchange.world.hosts for b in exchange.world.hosts)


def test_a_fault_does_the_same_whether_or_not_others_are_there() -> None:
    hit = []
    for more in ("", fault("pause", who="anyone", at_s=0.5, for_s=0.2) + fault("loss", share=0.2)):
        for seed in range(6):
            exchange, _, injected, _ = one(on("clock", who="anyone", skew_ms=5) + more, seed, peers=6)
            run_to(exchange, ON + 0.01)
            hit.append([host.index for host in injected.hosts])
    assert hit[:6] == hit[6:]
    assert len({tuple(one) for one in hit}) > 1


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("pause", "leader"),
        ("silent-leader", "leader"),
        ("equivocating-leader", "leader"),
        ("crash", "members"),
        ("disk", "members"),
        ("vote-withholder", "members"),
        ("rolling-restart", "all members"),
        ("loss", "everyone"),
        ("clock", "hosts"),
    ],
)
def test_whom_it_hits_if_nothing_is_said(kind: str, default: str) -> None:
    exchange, _, injected, _ = one(on(kind), peers=6)
    run_to(exchange, ON + 0.001)
    roles, hit = exchange.roles, injected.hosts
    match default:
        case "leader":
            assert hit == [roles.members[0]]
        case "members":
            assert len(hit) == 1
            assert hit[0] in roles.members
        case "all members":
            assert hit == roles.members
        case "everyone":
            assert hit == roles.hosts
        case _:
            assert len(hit) == 1


# -- wires --------------------------------------------------------------------------------------------------


def test_who_is_isolated_hears_and_says_nothing() -> None:
    exchange, tape, injected, wires = one(on("partition", shape="isolate"), peers=5)
    run_to(exchange, LATER)
    alone = exchange.roles.members[0]
    assert alone in injected.hosts
    begun, ended = at_us(exchange, ON), at_us(exchange, OFF)
    assert not wires.by(alone, begun, ended)
    assert all(
        not (begun <= left < ended) for (_, b), pairs in wires.took.items() if b == alone.peer_id for left, _ in pairs
    )
    assert wires.by(alone, 0, begun)
    assert wires.by(alone, ended, at_us(exchange, LATER))
    heights = [(at, who) for at, who, _ in tape.finals() if begun + 100_000 < at < ended]
    assert heights, "a quorum goes on"
    assert alone not in {who for _, who in heights}, "a minority does not"
    assert [who for at, who, _ in tape.finals() if at > ended and who is alone], "and comes back"


def test_one_way() -> None:
    exchange, _, _, wires = one(on("partition", shape="one-way"))
    run_to(exchange, OFF)
    begun = at_us(exchange, ON)
    deaf_to = exchange.roles.members[0]
    assert not wires.by(deaf_to, begun, at_us(exchange, OFF))
    heard = [left for (_, b), pairs in wires.took.items() if b == deaf_to.peer_id for left, _ in pairs]
    assert any(left > begun for left in heard), "it hears the others, until its links die"


def test_a_cut_that_flaps() -> None:
    exchange, _, injected, _ = one(on("partition", shape="isolate", flap_s=0.5))
    states = []
    for step in range(12):
        run_to(exchange, ON + 0.25 + 0.5 * step)
        states.append(all(exchange.network.is_cut(a, b) for a, b in injected.cuts) and bool(injected.cuts))
    assert states == [True, False] * 2 + [False] * 8
    assert not injected.active


def test_two_partitions_at_once_end_one_by_one() -> None:
    exchange, _, first, _ = one(
        fault("partition", shape="isolate", who="seat 1", at_s=1, for_s=3)
        + fault("partition", shape="isolate", who="seat 1", at_s=2, for_s=1)
    )
    run_to(exchange, 3.5)
    assert all(exchange.network.is_cut(a, b) for a, b in first.cuts)
    run_to(exchange, 4.5)
    assert not any(exchange.network.is_cut(a, b) for a, b in first.cuts)


def lock_on_disk(host: Host) -> tuple[int, bytes] | None:
    """What a member is locked on, by its own disk: (height, block id) or nothing."""
    states = [row for row in host.journal.rows() if isinstance(row, VoteRow)]
    lock = VoteState.decode(states[-1].state).lock if states else None
    return lock and (lock.height, lock.block_id)


def cut_when_prepared(seed: int) -> tuple[Exchange, Injected, Wires, tuple[int, bytes] | None]:
    """An exchange at the moment when the cut fell, and the lock that the leader had then."""
    exchange, _, injected, wires = one(on("partition", shape="isolate", when="prepared"), seed, peers=5)
    run_to(exchange, ON - 0.001)
    assert exchange.world.run(4_000, lambda: injected.active)
    return exchange, injected, wires, lock_on_disk(exchange.roles.leader())


@pytest.mark.parametrize("seed", range(4))
def test_prepared_cuts_the_leader_off_as_soon_as_it_is_locked(seed: int) -> None:
    """Nothing that it signs with the lock in hand leaves it."""
    exchange, injected, wires, lock = cut_when_prepared(seed)
    leader, began = exchange.roles.leader(), injected.began_us
    assert began >= at_us(exchange, ON)
    assert lock is not None
    assert lock[0] == leader.peer.pairs[exchange.roles.symbol].replica.fin + 1  # type: ignore[union-attr]
    exchange.world.run(100)
    assert wires.got(leader, began) <= {"Choke"}, "which is not signed, and left in the same moment before the lock"
    assert exchange.network.cut_losses > 0, "it tried"
    assert injected.active
    exchange.world.run(2_000)
    assert injected.ended_us == began + round((OFF - ON) * 1e6)


def test_prepared_is_the_moment_when_the_leader_alone_is_locked() -> None:
    """Nobody else holds the lock when the cut falls, nor comes to it, or beyond it, by what was under way."""
    alone = 0
    for seed in range(8):
        exchange, _, _, lock = cut_when_prepared(seed)
        others = exchange.roles.members[1:]
        free = all(lock_on_disk(other) != lock for other in others)
        exchange.world.run(100)
        fins = [other.peer.pairs[exchange.roles.symbol].replica.fin for other in others if other.peer is not None]
        alone += free and lock is not None and max(fins) < lock[0] and all(lock_on_disk(o) != lock for o in others)
    assert alone >= 6


def test_loss_hits_whom_it_is_said_to_hit() -> None:
    exchange, _, _, wires = one(on("loss", share=1.0, who="seat 2"))
    run_to(exchange, LATER)
    begun, ended = at_us(exchange, ON), at_us(exchange, OFF)
    hit, other = exchange.roles.members[2], exchange.roles.members[1]
    assert not wires.by(hit, begun, ended)
    assert wires.by(hit, 0, begun)
    assert wires.by(hit, ended, ended + 2_000_000)
    assert wires.by(other, begun, ended), "the others talk to each other"


def test_duplicates_come_twice() -> None:
    exchange, _, _, wires = one(on("duplicate", share=1.0))
    run_to(exchange, OFF + 0.5)
    begun, ended = at_us(exchange, ON), at_us(exchange, OFF)
    copies = Counter(
        count == 2 * len(left)
        for key, left in wires.left.items()
        if begun < left[0] and left[-1] < ended and (count := wires.copies[key])
    )
    assert copies[True] > 50
    assert copies[False] == 0
    late = [n for key, n in wires.copies.items() if wires.left[key][0] > ended and len(wires.left[key]) == 1]
    assert set(late) == {1}


def test_reordered_messages_are_overtaken() -> None:
    exchange, _, _, wires = one(on("reorder", share=0.5))
    run_to(exchange, LATER)
    begun, ended = at_us(exchange, ON), at_us(exchange, OFF)

    def overtaken(since: int, until: int) -> int:
        found = 0
        for pairs in wires.took.values():
            arrived = [left for left, _ in pairs if since <= left < until]  # in order of arrival
            found += sum(a > b for a, b in pairwise(arrived))
        return found

    assert overtaken(0, begun) == 0
    assert overtaken(begun, ended) > 5
    assert overtaken(ended + 50_000, at_us(exchange, LATER)) == 0


def test_delay() -> None:
    exchange, _, _, wires = one(on("delay", delay_ms=[100.0, 120.0], who="seat 3"))
    run_to(exchange, LATER)
    begun, ended = at_us(exchange, ON), at_us(exchange, OFF)
    hit, other = exchange.roles.members[3], exchange.roles.members[1]
    assert min(at - left for left, at in wires.by(hit, begun, ended)) >= 100_000
    assert max(at - left for left, at in wires.by(hit, 0, begun - 1)) <= 5_000
    assert max(at - left for left, at in wires.by(hit, ended + 200_000, at_us(exchange, LATER))) <= 5_000
    assert min(at - left for left, at in wires.by(other, begun, ended)) <= 5_000


def test_bandwidth() -> None:
    """8 kbit/s are a thousand bytes a second: no more gets through, and messages wait."""
    exchange, _, _, wires = one(on("bandwidth", kbit_s=8, who="seat 1"), ops_per_s=30)
    received: Counter[tuple[PeerId, int]] = Counter()

    class Bytes(Observer):
        def delivered(self, host: Host, sender: PeerId, raw: bytes, now_us: int) -> None:
            if sender == exchange.roles.members[1].peer_id and at_us(exchange, ON + 0.1) < now_us < at_us(
                exchange, OFF
            ):
                received[host.peer_id, now_us // 1_000_000] += len(raw)

    exchange.world.watch(Bytes())
    run_to(exchange, OFF)
    assert received
    assert max(received.values()) < 2_500
    assert max(at - left for left, at in wires.by(exchange.roles.members[1], at_us(exchange, ON), 2**63)) > 300_000
    assert exchange.network.dropped > 0
    run_to(exchange, 9)
    after = wires.by(exchange.roles.members[1], at_us(exchange, OFF + 3), at_us(exchange, 9))
    assert after
    assert max(at - left for left, at in after) < 300_000


# -- machines -----------------------------------------------------------------------------------------------


def test_who_is_paused_does_nothing_and_then_goes_on() -> None:
    exchange, tape, injected, wires = one(on("pause"), peers=5)
    run_to(exchange, ON + 0.1)
    (host,) = injected.hosts
    assert not host.up
    assert host.peer is not None
    run_to(exchange, OFF - 0.01)
    assert host.backlog
    assert not wires.by(host, at_us(exchange, ON), at_us(exchange, OFF))
    assert not [at for at, who, _ in tape.finals(host) if at_us(exchange, ON) < at < at_us(exchange, OFF)]
    run_to(exchange, LATER)
    assert host.up
    assert host.life == 1
    assert wires.by(host, at_us(exchange, OFF), at_us(exchange, LATER))
    assert [at for at, who, _ in tape.finals(host) if at > at_us(exchange, OFF)]


def test_crashes_fall_between_two_effects_and_end_in_a_restart() -> None:
    whys: Counter[str] = Counter()
    for seed in range(6):
        exchange, tape, injected, _ = one(on("crash", who="2 members"), seed, peers=5)
        run_to(exchange, OFF - 0.01)
        assert all(host.peer is None for host in injected.hosts)
        assert sorted(host.index for _, host, _ in tape.crashes) == sorted(host.index for host in injected.hosts)
        assert all(0 <= at - at_us(exchange, ON) <= FUSE_US for at, _, _ in tape.crashes)
        whys.update(why for _, _, why in tape.crashes)
        run_to(exchange, LATER)
        assert all(host.up and host.life == 2 for host in injected.hosts)
        assert exchange.world.run(5_000, exchange.at_rest)
    assert whys["crashed between two effects"] >= 3


def test_torn_writes_leave_torn_frames_behind() -> None:
    torn = survived = 0
    for seed in range(24):
        exchange, tape, injected, _ = one(on("torn-write", who="members"), seed)
        run_to(exchange, LATER)
        assert len(tape.crashes) == 4
        assert all(host.up and not host.observer_reason for host in injected.hosts)
        torn += sum(host.journal.torn for host in injected.hosts)
        survived += sum(host.journal.survived for host in injected.hosts)
    assert torn > 0
    assert survived > 0


def test_a_rolling_restart_takes_each_member_down_once_and_one_at_a_time() -> None:
    exchange, tape, injected, _ = one(fault("rolling-restart", at_s=0.5, gap_s=0.6), peers=5)
    down: list[int] = []
    for step in range(60):
        run_to(exchange, 0.5 + step * 0.1)
        down.append(sum(host.peer is None for host in exchange.roles.hosts))
    assert max(down) == 1
    assert [host for _, host, _ in tape.crashes] == exchange.roles.members == injected.hosts
    assert all(host.life == 2 for host in exchange.roles.members)
    assert [host.life for host in exchange.roles.followers] == [1]


@pytest.mark.parametrize(("trouble", "why"), [("full", "no space left"), ("fails", "input/output error")])
def test_a_disk_in_trouble_stops_its_peer(trouble: str, why: str) -> None:
    exchange, _, injected, _ = one(on("disk", trouble=trouble, who="leader"), peers=5)
    run_to(exchange, ON - 0.01)
    height = exchange.roles.leader().peer.pairs[exchange.roles.symbol].replica.fin  # type: ignore[union-attr]
    run_to(exchange, OFF - 0.01)
    (host,) = injected.hosts
    assert host.peer is None
    assert why in host.why_down
    assert host.journal.trouble == why
    run_to(exchange, LATER)
    assert host.up
    assert host.journal.trouble == ""
    assert not host.observer_reason
    assert height
    assert len(host.journal.load()[exchange.roles.symbol].chain) > height


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_disk_makes_an_observer(seed: int) -> None:
    exchange, tape, injected, _ = one(on("disk", trouble="flips"), seed, peers=5)
    run_to(exchange, ON + 0.01)
    (host,) = injected.hosts
    assert host.up
    assert "damaged" in host.observer_reason or "missing" in host.observer_reason
    assert len(tape.crashes) == 1
    run_to(exchange, LATER)
    assert tape.finals(host)[-1][2].block.height > 3, "it follows the others"


def test_clocks() -> None:
    exchange, _, injected, _ = one(on("clock", skew_ms=60_000, rate_ppm=100_000, who="seat 1"))
    clock = exchange.roles.members[1].clock

    def ahead_ms() -> int:
        return clock.now(exchange.world.now_us).wall_ms - START_WALL_MS - exchange.world.now_us // 1_000

    run_to(exchange, ON - 0.01)
    assert ahead_ms() == 0
    run_to(exchange, ON)
    began = clock.now(exchange.world.now_us).timer_ms
    run_to(exchange, OFF)
    assert 60_190 <= ahead_ms() <= 60_201 or not injected.active
    assert abs(clock.now(exchange.world.now_us).timer_ms - began - 2_200) <= 1
    run_to(exchange, OFF + 0.01)
    assert ahead_ms() == 0
    assert [host.clock.skew_ms for host in exchange.roles.hosts] == [0] * 4


def test_clock_faults_that_overlap_leave_nothing_behind() -> None:
    exchange, _, _, _ = one(
        fault("clock", skew_ms=3_000, who="seat 1", at_s=1, for_s=2)
        + fault("clock", skew_ms=-500, rate_ppm=1_000, who="seat 1", at_s=2, for_s=2)
        + fault("clock", skew_ms=7, who="seat 1", at_s=2.5)
    )
    run_to(exchange, 2.2)
    assert exchange.roles.members[1].clock.skew_ms == 2_500
    run_to(exchange, LATER)
    exchange.heal()
    assert all((host.clock.skew_ms, host.clock.rate_ppm) == (0, 0) for host in exchange.roles.hosts)


@pytest.mark.parametrize("seed", range(5))
def test_final_to_one(seed: int) -> None:
    """One honest peer learns that a block is final, and nobody else does as long as it lasts."""
    exchange, tape, injected, _ = one(on("final-to-one"), seed, peers=5)
    run_to(exchange, LATER)
    begun, ended, under_way = at_us(exchange, ON), at_us(exchange, OFF), 10_000
    (lucky,) = injected.hosts
    first_us, who, event = next(final for final in tape.finals() if begun + under_way < final[0])
    assert who is lucky
    assert first_us < ended
    same = [(at, host) for at, host, e in tape.finals() if e.block.height == event.block.height and host is not lucky]
    assert min(at for at, _ in same) >= ended
    assert len({host.index for _, host in same}) == 4, "afterwards all do"
    assert {e.block.id for _, _, e in tape.finals() if e.block.height == event.block.height} == {event.block.id}


# -- the heal -----------------------------------------------------------------------------------------------

EVERYTHING = "".join(
    (
        fault("partition", shape="ring", at_s=1),
        fault("partition", shape="isolate", at_s=1, flap_s=0.3),
        fault("loss", share=0.3, at_s=1),
        fault("duplicate", share=0.3, at_s=1),
        fault("reorder", share=0.3, at_s=1),
        fault("delay", delay_ms=[50.0, 90.0], at_s=1),
        fault("bandwidth", kbit_s=64, at_s=1),
        fault("final-to-one", at_s=1.5),
        fault("pause", who="seat 1", at_s=2),
        fault("crash", who="seat 2", at_s=2),
        fault("torn-write", who="seat 3", at_s=2),
        fault("disk", trouble="full", who="seat 2", at_s=2.1),
        fault("clock", skew_ms=900, rate_ppm=10_000, who="everyone", at_s=1),
    )
)


def test_the_heal_takes_everything_off() -> None:
    exchange, _, _, _ = one(EVERYTHING, peers=6)
    assert exchange.injector is not None
    run_to(exchange, 3.5)
    assert len(exchange.injector.active()) == 13
    assert sum(host.up for host in exchange.roles.hosts) == 3
    exchange.heal()
    assert exchange.injector.active() == []
    hosts = exchange.roles.hosts
    assert not any(exchange.network.is_cut(a.peer_id, b.peer_id) for a in hosts for b in hosts)
    assert exchange.network.weather == []
    for host in hosts:
        assert host.up
        assert host.behaviour is None
        assert (host.journal.trouble, host.fuse, host.torn) == ("", None, False)
        assert (host.clock.skew_ms, host.clock.rate_ppm) == (0, 0)
    assert exchange.settle(60_000)


def test_liars_go_on_after_the_heal() -> None:
    exchange, _, injected, _ = one(fault("silent-leader", at_s=1))
    run_to(exchange, 2)
    exchange.heal()
    assert injected.active
    assert injected.hosts[0].behaviour is not None
    assert injected.hosts[0].faulty


def test_a_peer_stays_down_while_its_disk_refuses() -> None:
    exchange, _, _, _ = one(
        fault("disk", trouble="full", who="seat 1", at_s=1, for_s=4) + fault("crash", who="seat 1", at_s=1.5, for_s=0.5)
    )
    run_to(exchange, 4)
    assert exchange.roles.members[1].peer is None
    run_to(exchange, 5.5)
    assert exchange.roles.members[1].up


def test_chance_of_a_fault_comes_from_the_seed() -> None:
    def story(seed: int) -> list[tuple[int, int]]:
        exchange, tape, _, _ = one(on("crash", who="anyone"), seed, peers=6)
        run_to(exchange, OFF)
        return [(at, host.index) for at, host, _ in tape.crashes]

    assert story(3) == story(3)
    assert len({story(seed)[0][1] for seed in range(8)}) > 2


def test_a_clock_of_ones_own() -> None:
    """``clock_skew_ms`` sets each clock off by its own amount, within bounds, for good."""
    exchange, _ = opened(small(peers=6).replace("peers = 6", "peers = 6\nclock_skew_ms = 700"))
    skews = [host.clock.skew_ms for host in exchange.roles.hosts]
    assert len(set(skews)) > 3
    assert max(map(abs, skews)) <= 700
    exchange.heal()
    assert [host.clock.skew_ms for host in exchange.roles.hosts] == skews

"""The proxy on real sockets: what a cut, a delay, a rate and a loss do to a connection."""

import random

import pytest
import trio

from gossipbook.rig.wires import RETRANSMIT_S, Wire, Wires
from gossipbook.scenario.conditions import Delay, WireConditions

from .support import NO_DELAY, nothing_comes, open_bench, read


async def test_bytes_and_ends_pass_both_ways():
    async with open_bench() as bench:
        here, there = await bench.connected(0, 1)
        await here.send_all(b"question")
        assert await read(there, 8) == b"question"
        await here.send_eof()
        with trio.fail_after(5):
            assert await there.receive_some() == b""
        await there.send_all(b"answer")
        assert await read(here, 6) == b"answer"
        await there.send_eof()
        with trio.fail_after(5):
            assert await here.receive_some() == b""


async def test_a_cut_lets_nothing_through_and_closes_nothing():
    async with open_bench() as bench:
        here, there = await bench.connected(0, 1)
        bench.wires[0, 1].cut()
        bench.wires[1, 0].cut()
        await here.send_all(b"one")
        await there.send_all(b"two")
        assert await nothing_comes(there)
        assert await nothing_comes(here)
        await here.send_all(b"three")
        bench.wires[0, 1].mend()
        bench.wires[1, 0].mend()
        assert await read(there, 8) == b"onethree"
        assert await read(here, 3) == b"two"


async def test_a_cut_in_one_direction_leaves_the_other():
    async with open_bench() as bench:
        here, there = await bench.connected(0, 1)
        bench.wires[0, 1].cut()
        await here.send_all(b"lost for now")
        await there.send_all(b"heard")
        assert await read(here, 5) == b"heard"
        assert await nothing_comes(there)


async def test_a_cut_parts_one_pair_only_whoever_dialled():
    async with open_bench(3) as bench:
        dialled, accepted = await bench.connected(1, 0), await bench.connected(0, 2)
        bench.wires[0, 1].cut()
        await dialled[1].send_all(b"to 1")
        await accepted[0].send_all(b"to 2")
        assert await read(accepted[1], 4) == b"to 2"
        assert await nothing_comes(dialled[0])


async def test_cuts_add_up():
    async with open_bench() as bench:
        here, there = await bench.connected(0, 1)
        bench.wires[0, 1].cut()
        bench.wires[0, 1].cut()
        bench.wires[0, 1].mend()
        await here.send_all(b"x")
        assert await nothing_comes(there)
        bench.wires[0, 1].mend()
        assert await read(there, 1) == b"x"


@pytest.mark.parametrize("cut", [(0, 1), (1, 0)])
async def test_who_dials_during_a_cut_gets_through_when_it_is_over(cut):
    async with open_bench() as bench:
        bench.wires[cut].cut()
        here = await bench.dial(0, 1)
        await here.send_all(b"hello")
        with trio.move_on_after(0.15):
            await bench.inbox.receive()
            raise AssertionError("connected during a cut")
        bench.wires[cut].mend()
        with trio.fail_after(5):
            _, there = await bench.inbox.receive()
        assert await read(there, 5) == b"hello"


async def test_who_gave_up_during_a_cut_was_never_there():
    async with open_bench() as bench:
        bench.wires[0, 1].cut()
        impatient = await bench.dial(0, 1)
        await impatient.send_all(b"anybody?")
        await impatient.aclose()
        patient = await bench.dial(0, 1)
        await patient.send_all(b"patient")
        bench.wires[0, 1].mend()
        with trio.fail_after(5):
            _, there = await bench.inbox.receive()
        assert await read(there, 7) == b"patient"


async def test_nobody_learns_of_an_end_during_a_cut():
    async with open_bench() as bench:
        here, there = await bench.connected(0, 1)
        bench.wires[1, 0].cut()
        await there.aclose()
        assert await nothing_comes(here)
        bench.wires[1, 0].mend()
        with trio.fail_after(5):
            assert await here.receive_some(1) == b""


async def test_a_listener_that_is_not_there_closes_the_connection():
    async with open_bench() as bench:
        del bench.proxy.listeners[1]
        here = await bench.dial(0, 1)
        with trio.fail_after(5):
            assert await here.receive_some(1) == b""


async def test_what_a_cut_holds_is_bounded():
    async with open_bench() as bench:
        here, _ = await bench.connected(0, 1)
        bench.wires[0, 1].cut()
        with trio.move_on_after(0.5) as scope:
            await here.send_all(bytes(64 * 2**20))
        assert scope.cancelled_caught


async def test_a_delay_is_added_and_keeps_the_order():
    async with open_bench(delay=Delay("uniform", 20_000, 60_000)) as bench:
        here, there = await bench.connected(0, 1)
        began_s = trio.current_time()
        await here.send_all(b"\0")
        assert await read(there, 1) == b"\0"
        assert trio.current_time() - began_s >= 0.02
        sent = bytes(range(1, 101))
        async with trio.open_nursery() as nursery:

            async def send():
                for number in sent:
                    await here.send_all(bytes([number]))
                    await trio.sleep(0.001)  # so that they are read one by one

            nursery.start_soon(send)
            assert await read(there, 100) == sent


async def test_a_rate_is_kept_by_all_connections_together():
    async with open_bench(kbit_s=80) as bench:  # 10 kB a second
        one, other = await bench.connected(0, 1), await bench.connected(0, 1)
        began_s = trio.current_time()
        await one[0].send_all(bytes(1_500))
        await other[0].send_all(bytes(1_500))
        await read(one[1], 1_500)
        await read(other[1], 1_500)
        assert trio.current_time() - began_s >= 0.29


def wire(**usual):
    return Wire(random.Random(1), WireConditions(delay=NO_DELAY, **usual))


def test_a_loss_is_a_stall_by_the_retransmission_timer():
    lossy = wire(loss=0.25)
    stalls = [lossy.due_s(100, 0.0) for _ in range(4_000)]
    steps = [RETRANSMIT_S * (2**k - 1) for k in range(7)]
    assert all(min(abs(stall - step) for step in steps) < 1e-9 for stall in stalls)
    assert 0.70 < sum(stall == 0 for stall in stalls) / len(stalls) < 0.80
    assert max(stalls) <= steps[-1] + 1e-9


def test_a_long_piece_is_lost_in_part_more_often():
    lossy = wire(loss=0.1)
    kept = sum(lossy.due_s(14_480, 0.0) == 0 for _ in range(4_000)) / 4_000
    assert 0.30 < kept < 0.40  # ten segments: 0.9 ** 10


def test_conditions_come_on_top_and_go():
    w = wire()
    slow = WireConditions(delay=Delay("fixed", 100_000, 100_000))
    fast = WireConditions(delay=Delay("fixed", 10_000, 10_000), kbit_s=8)
    w.add(slow)
    assert w.due_s(1, 0.0) == pytest.approx(0.1)
    w.add(fast)
    assert w.due_s(500, 0.0) == pytest.approx(0.51)  # the newest delay, behind 500 bytes at 1 kB a second
    w.remove(fast)
    w.remove(slow)
    assert w.due_s(1_000_000, 0.0) == 0


async def test_who_hears_whom_goes_over_detours_and_in_one_direction():
    wires = Wires(4, random.Random(1), WireConditions(delay=NO_DELAY))
    everybody = {0, 1, 2, 3}
    assert wires.heard_by(0, everybody) == everybody
    wires[1, 0].cut()
    assert wires.heard_by(0, everybody) == everybody  # 1 gets through by way of 2
    assert wires.heard_by(0, {0, 1}) == {0}
    wires[2, 0].cut()
    wires[3, 0].cut()
    assert wires.heard_by(0, everybody) == {0}
    assert wires.heard_by(1, everybody) == everybody

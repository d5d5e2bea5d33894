"""One real process: starting, stopping, killing and pausing it in each other's way."""

import os
import random
import signal

import pytest
import trio

from gossipbook.rig.processes import RealNetwork, RigFailed
from gossipbook.rig.proxy import Proxy
from gossipbook.rig.wires import Wires
from gossipbook.scenario.conditions import Delay, WireConditions
from gossipbook.scenario.parts import NetworkPart

ENOUGH_S = 60


@pytest.fixture
async def peer(tmp_path):
    with RealNetwork(tmp_path, NetworkPart(peers=1, committee=1, fault_model="crash")) as network:
        async with trio.open_nursery() as nursery:
            proxy = Proxy(Wires(1, random.Random(1), WireConditions(delay=Delay())))
            await proxy.open(nursery)
            with trio.fail_after(ENOUGH_S):
                await network.start(proxy)
            yield network.peers[0]
            nursery.cancel_scope.cancel()


async def test_faults_that_meet_on_one_peer_leave_it_as_the_last_one_wants(peer):
    with trio.fail_after(ENOUGH_S):
        peer.pause()
        assert not peer.up
        await peer.stop()  # a paused one, too, stops in peace
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.start)
            nursery.start_soon(peer.start)
            nursery.start_soon(peer.stop)
        await peer.start()
        assert peer.up
        peer.kill()
        peer.pause()
        peer.resume()
        assert not peer.up
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.start)
            await trio.testing.wait_all_tasks_blocked()
            peer.kill()  # while it starts
        await peer.start()
        assert peer.up
    assert peer.exits == []


async def test_an_end_that_nobody_ordered_is_noted(peer):
    pid = int((peer.folder / "LOCK").read_text())
    os.kill(pid, signal.SIGKILL)
    await trio.to_thread.run_sync(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    await peer.stop()
    (line,) = peer.exits
    assert "ended by itself with code -9" in line


async def test_a_peer_that_cannot_start_says_why(peer):
    with trio.fail_after(ENOUGH_S):
        await peer.stop()
        (peer.folder / "VERSION").write_text("99\n")
        with pytest.raises(RigFailed, match=r"p0 ended with code 4: .*folder version 99"):
            await peer.start()

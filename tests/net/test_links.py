"""Links between peers: TLS, proxies, duplicate dials, and dialling again."""

import pytest
import trio
from dht.udp_proxy import UdpProxy
from trio_websocket import wrap_server_stream

from gossipbook.errors import ConfigError, JournalFull
from gossipbook.net.link import Patience
from gossipbook.net.opening import open_runtime
from gossipbook.net.settings import NetSettings
from gossipbook.storage.folder import PeerFolder
from gossipbook.storage.sqlite import SqliteJournal
from gossipbook.trade.opening import open_client
from gossipbook.wire.handshake import Handshake, Role

from . import rude
from .support import Author, certify, make_network, open_peer, shaken, until
from .tcp_proxy import TcpProxy


@pytest.fixture
def network(tmp_path):
    return make_network(tmp_path, 2)


@pytest.fixture
async def proxies():
    async with trio.open_nursery() as nursery:

        async def make(**options):
            return await TcpProxy.open(nursery, **options)

        yield make
        nursery.cancel_scope.cancel()


def linked(*runtimes):
    """Whether each has links to all the others, and to nobody else."""
    ids = {runtime.identity.peer_id for runtime in runtimes}
    return all(set(r.driver.links) == ids - {r.identity.peer_id} for r in runtimes)


def inner(runtime):
    host, _, port = runtime.local_address.rpartition("//")[2].partition(":")
    return host, int(port)


async def trade(runtime):
    chain_id = runtime.manifest.chain_id
    async with open_client(runtime.local_address, chain_id) as client:
        await certify(client, Author(chain_id), 2)


async def test_with_tls_links_and_clients_are_bound_to_the_certificate(network, tmp_path):
    async with (
        open_peer(network, tmp_path / "peer1", tls=True) as one,
        open_peer(network, tmp_path / "peer2", tls=True, peers=(one.local_address,)) as two,
    ):
        assert one.local_address.startswith("wss://")
        await until(lambda: linked(one, two))
        (link,), (other,) = one.driver.links.values(), two.driver.links.values()
        assert len(link.channel.binding) == 32
        assert link.channel.binding == other.channel.binding
        await trade(two)
        await trade(one)


async def test_plain_strangers_at_a_tls_port_are_turned_away(network, tmp_path, monkeypatch):
    monkeypatch.setattr("gossipbook.net.transport.HANDSHAKE_S", 1.0)
    async with open_peer(network, tmp_path / "peer1", tls=True) as one:
        target = rude.Target(one.local_address, network)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rude.random_bytes, target)
                nursery.start_soon(rude.half_an_upgrade, target)
                nursery.start_soon(rude.says_nothing, target)
        await until(lambda: rude.count(one.rejected, "connection: not a websocket") == 3)


async def test_a_man_in_the_middle_with_another_certificate_is_refused_on_both_sides(network, tmp_path, proxies):
    proxy = await proxies(tls=True)
    async with (
        open_peer(network, tmp_path / "peer1", tls=True, advertise=(proxy.address,)) as one,
        open_peer(network, tmp_path / "peer2", tls=True, peers=(proxy.address,)) as two,
    ):
        proxy.inner = inner(one)
        reason = "handshake: bad-handshake-signature"
        await until(lambda: one.rejected[reason] and two.rejected[reason])
        assert proxy.passed
        assert not one.driver.links
        assert not two.driver.links


@pytest.mark.parametrize(
    "settings",
    [
        {"listen": "0.0.0.0:0", "tls": False},
        {"listen": "192.0.2.1:7401", "tls": False},
        {"peers": ("ws://192.0.2.1:7401",)},
        {"advertise": ("ws://peer.example:7401",)},
    ],
    ids=["any", "public", "peers", "advertise"],
)
def test_plain_websockets_beyond_loopback_are_refused_by_the_settings(settings):
    with pytest.raises(ConfigError, match="loopback"):
        NetSettings(**settings)


def test_tls_is_on_beyond_loopback_unless_said_otherwise():
    assert NetSettings(listen="192.0.2.7:7401").use_tls
    assert NetSettings(listen="0.0.0.0:7401", advertise=("wss://192.0.2.7:7401",)).use_tls
    with pytest.raises(ConfigError, match="advertise"):
        NetSettings(listen="0.0.0.0:7401")
    assert not NetSettings(listen="127.0.0.1:7401").use_tls
    assert NetSettings(listen="127.0.0.1:7401", tls=True).use_tls


async def test_a_peer_behind_a_proxy_is_reached_there_and_again_after_a_cut(network, tmp_path, proxies, monkeypatch):
    monkeypatch.setattr("gossipbook.net.link.PEERS", Patience(0.3, 1.0, 15.0))
    proxy = await proxies()
    async with open_peer(network, tmp_path / "peer1", advertise=(proxy.address,)) as one:
        proxy.inner = inner(one)
        assert [str(address) for address in one.addresses] == [proxy.address]
        # Nobody can dial the second peer, so that only the proxy leads from one to the other.
        nowhere = ("ws://127.0.0.1:9",)
        async with open_peer(network, tmp_path / "peer2", peers=(proxy.address,), advertise=nowhere) as two:
            await until(lambda: linked(one, two))
            (link,) = two.driver.links.values()
            assert link.channel.remote == proxy.address
            await trade(two)
            proxy.up = False  # Nothing passes, nobody is told.
            cut_s = trio.current_time()
            await until(lambda: not one.driver.links and not two.driver.links)
            assert trio.current_time() - cut_s < 5
            assert link.end_reason.startswith("nothing was read")
            passed = proxy.passed
            proxy.up = True
            await until(lambda: linked(one, two))
            assert proxy.passed > passed
            await trade(one)


async def test_a_peer_behind_proxies_for_tcp_and_udp_is_found_and_reached_through_them(network, tmp_path, proxies):
    async with trio.open_nursery() as nursery:
        tcp_proxy, udp_proxy = await proxies(), await UdpProxy.open(nursery)
        outer = "{}:{}".format(*udp_proxy.address)
        hidden = {"dht": True, "advertise": (tcp_proxy.address,), "dht_advertise": outer}
        async with open_peer(network, tmp_path / "peer1", **hidden) as one:
            tcp_proxy.inner, udp_proxy.inner = inner(one), one.dht.address
            nowhere = ("ws://127.0.0.1:9",)  # So that the first can never dial the second.
            async with open_peer(network, tmp_path / "peer2", dht=True, bootstrap=(outer,), advertise=nowhere) as two:
                await until(lambda: linked(one, two))
                assert tcp_proxy.passed
                assert udp_proxy.requests
                assert two.dht.good_nodes() == [udp_proxy.address]
                await trade(two)
                udp_proxy.up = False
                await until(lambda: two.dht.good_nodes() == [], 30)
                assert linked(one, two)  # Discovery is for finding; who is found stays.
                udp_proxy.up = True
                await until(lambda: two.dht.good_nodes() == [udp_proxy.address], 30)
        nursery.cancel_scope.cancel()


async def test_peers_that_dial_each_other_at_once_keep_one_link_and_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("gossipbook.net.dialler.LONGEST_PAUSE_S", 1.0)
    network = make_network(tmp_path, 4)
    names = [matcher.name for matcher in network.matchers]
    async with trio.open_nursery() as nursery:
        runtimes, done = [], trio.Event()
        fronts = [
            await TcpProxy.open(nursery) for _ in names
        ]  # So that each can know the others' addresses beforehand.

        async def live(name, front, *, task_status):
            peers = tuple(other.address for other in fronts if other is not front)
            async with open_peer(network, tmp_path / name, advertise=(front.address,), peers=peers) as runtime:
                runtimes.append(runtime)
                task_status.started(runtime)
                await done.wait()

        for front in fronts:
            front.up = False
        for name, front in zip(names, fronts, strict=True):
            front.inner = inner(await nursery.start(live, name, front))
        for front in fronts:
            front.up = True

        def settled():
            if not linked(*runtimes):
                return False
            ends = {(r.identity.peer_id, p): link for r in runtimes for p, link in r.driver.links.items()}
            return all(link.outbound != ends[there, here].outbound for (here, there), link in ends.items())

        def links():
            return [link for runtime in runtimes for link in runtime.driver.links.values()]

        await until(settled)
        for _ in range(10):  # A dial that was still under way may replace a link once; then it is over.
            before = links()
            await trade(runtimes[0])
            await trade(runtimes[3])
            if links() == before:
                break
        assert settled()
        assert links() == before
        assert len(before) == 12
        done.set()
        nursery.cancel_scope.cancel()


async def test_a_dial_that_ends_late_does_not_disturb_the_next_one_to_the_same_address(network, tmp_path, nursery):
    """The other side takes our link over by one of its own, ends that, and does not answer our goodbyes."""
    smaller, larger = sorted(network.matchers, key=lambda matcher: matcher.peer_id)
    other = PeerFolder(tmp_path / smaller.name).identity()
    dials, finish = [], trio.Event()

    async def serve(stream):
        dials.append(stream)
        async with trio.open_nursery() as reading:
            channel = await (await wrap_server_stream(reading, stream)).accept()
            if len(dials) > 1:
                await finish.wait()
            handshake = Handshake(other, network.chain_id, dialled=False, nonce=bytes(32))
            await channel.send_message(handshake.hello())
            await channel.send_message(handshake.answer(await channel.get_message()))
            handshake.finish(await channel.get_message())
            if len(dials) == 1:
                reading.cancel_scope.cancel()  # Nobody reads any more; the connection stays.
        await trio.sleep_forever()

    listeners = await nursery.start(trio.serve_tcp, serve, 0)
    address = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    async with open_peer(network, tmp_path / larger.name, peers=(address,)) as runtime:
        await until(lambda: runtime.driver.links)
        (first,) = runtime.driver.links.values()
        async with shaken(runtime.local_address, network, other, role=Role.PEER):
            await until(lambda: first not in runtime.driver.links.values())
        await until(lambda: len(dials) == 2)
        await until(lambda: runtime.driver.counts["links ended: replaced by a newer link"])
        finish.set()
        await until(lambda: [link.outbound for link in runtime.driver.links.values()] == [True])
    nursery.cancel_scope.cancel()


async def test_a_full_disk_stops_the_peer_with_words_that_help_and_nothing_is_promised(network, tmp_path, monkeypatch):
    full = []
    commit = SqliteJournal.commit

    def refuse(self, records):
        if full and self.folder == full[0]:
            raise JournalFull(f"cannot write to {self.folder}: disk full. Free some space and start again.")
        commit(self, records)

    monkeypatch.setattr(SqliteJournal, "commit", refuse)
    sent = []

    async def stand_by(folder, peers):
        async with (
            open_runtime(network, NetSettings(folder=folder, dht=False, peers=peers)) as runtime,
            open_client(runtime.local_address, manifest=network, links=1) as client,
        ):
            client.on_ack = sent.append
            full.append(runtime.driver.journal.folder)
            await client.submit(Author(network.chain_id).op())
            await trio.sleep_forever()

    async with open_peer(network, tmp_path / "peer1") as one:
        with pytest.raises(JournalFull, match="Free some space"), trio.fail_after(20):
            await stand_by(tmp_path / "peer2", (one.local_address,))
        assert sent == [], "the op itself may have left: others keep it by themselves"
        await until(lambda: not one.driver.links)

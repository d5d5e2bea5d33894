"""Four peer processes trade while strangers do their worst to all of them."""

import pytest
import trio
from hostile.flood import four_peers, resident_bytes
from net import rude
from net.rude import Target, counted
from net.support import Author, stranger, until

from gossipbook.trade.opening import open_client

DATAGRAMS = 3_000
LEAST_CERTIFIED = 20
MEMORY_GROWTH_CAP = 120 * 2**20


@pytest.fixture
async def network(tmp_path):
    async with four_peers(tmp_path) as made:
        yield made


async def links_of(client):
    return {row["peer_id"] for row in await client.query("peers") if row["role"] == "peer"}


async def test_trading_goes_on_under_bombardment_and_everything_is_counted(network):
    chain_id = network.manifest.chain_id
    honest = {matcher.peer_id.hex() for matcher in network.manifest.matchers}
    async with trio.open_nursery() as watching:
        clients = {}
        for peer in network.peers:

            async def stay(peer=peer, *, task_status):
                async with open_client(peer.address, chain_id, links=1) as client:
                    task_status.started(client)
                    await trio.sleep_forever()

            clients[peer.name] = await watching.start(stay)

        async def all_linked():
            linked = [await links_of(client) for client in clients.values()]
            return all(len(links & honest) == 3 for links in linked)

        await until(all_linked)
        up_since = {name: (await client.query("status"))["started_ms"] for name, client in clients.items()}
        memory = {peer.name: resident_bytes(peer.pid) for peer in network.peers}

        # Bombard everybody, and go on trading through each of them.
        certified, over = [], trio.Event()

        async def trade(client):
            author = Author(chain_id)
            while not over.is_set():
                with trio.fail_after(20):
                    certified.append((await (await client.submit(author.op())).certified()).height)

        async def bombard():
            async with trio.open_nursery() as nursery:
                for number, peer in enumerate(network.peers):
                    host, _, port = peer.dht.partition(":")

                    async def attack(act, source, peer=peer, dht=(host, int(port))):
                        await act(Target(peer.address, network.manifest, source, dht))

                    acts = [act for act, _ in rude.QUICK + rude.SLOW] + [rude.dht_garbage(DATAGRAMS)]
                    for place, act in enumerate(acts):
                        nursery.start_soon(attack, act, f"127.0.{number + 1}.{place + 1}")
            over.set()

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for client in clients.values():
                    nursery.start_soon(trade, client)
                nursery.start_soon(bombard)
        assert len(certified) >= LEAST_CERTIFIED

        # Every rudeness has been counted by everybody, under its own reason.
        expected = {reason for _, reasons in rude.QUICK + rude.SLOW for reason in reasons} | set(rude.DHT_REASONS)
        for client in clients.values():

            async def all_counted(client=client):
                found = await client.query("status")
                return not [reason for reason in expected if not counted(found, reason)]

            await until(all_counted)

        # Nobody honest was disconnected or blamed, nobody fell over, and all agree.
        for peer in network.peers:
            assert peer.up
            rows = [row for row in await clients[peer.name].query("peers") if row["peer_id"] in honest]
            assert len(rows) == 3
            assert not [key for row in rows for key in row if key.startswith("dropped")]
            assert resident_bytes(peer.pid) - memory[peer.name] < MEMORY_GROWTH_CAP
            found = await clients[peer.name].query("status")
            assert found["started_ms"] == up_since[peer.name]
            assert not counted(found, "dht: datagrams_refused:internal-error")

        async def agree():
            found = [(await client.query("status"))["pairs"][0] for client in clients.values()]
            return len({(pair["height"], pair["tip"], pair["events_digest"]) for pair in found}) == 1

        await until(agree)
        async with (
            open_client(network.peers[2].address, chain_id, stranger()) as client,
            trio.open_nursery() as nursery,
        ):
            with trio.fail_after(20):
                assert (await (await client.submit(Author(chain_id).op())).certified()).height >= max(certified)
            nursery.cancel_scope.cancel()
        watching.cancel_scope.cancel()
    for peer in network.peers:
        assert await peer.stop() == 0
        log = (peer.folder / "log.txt").read_text()
        assert "Traceback" not in log, log

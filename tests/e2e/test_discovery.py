"""Processes that find each other through one address, and again when nobody is there any more."""

import json

import pytest
import trio
from net.support import SYMBOL, Author, until

from gossipbook.demo.network import DemoNetwork
from gossipbook.errors import GossipbookError
from gossipbook.trade.opening import open_client


@pytest.fixture
async def network(tmp_path):
    made = DemoNetwork(tmp_path, pairs=(SYMBOL,), peers=4)
    try:
        yield made
    finally:
        made.kill_all()


async def linked_to(network, peer):
    """The names of the peers that a peer has links to."""
    try:
        with trio.fail_after(5):
            async with open_client(peer.address, network.manifest.chain_id) as client:
                return {row["name"] for row in await client.query("peers") if row["role"] == "peer"}
    except (GossipbookError, trio.TooSlowError):
        return set()


async def all_linked(network, peers):
    names = {peer.name for peer in peers}
    return all([await linked_to(network, peer) == names - {peer.name} for peer in peers])


async def trade(network, peer):
    async with open_client(peer.address, network.manifest.chain_id) as client:
        with trio.fail_after(30):
            await (await client.submit(Author(network.manifest.chain_id).op())).certified()


def good_nodes(peer):
    try:
        return {f"{host}:{port}" for host, port in json.loads((peer.folder / "data" / "good-nodes.json").read_text())}
    except FileNotFoundError:
        return set()


async def test_one_address_is_enough_to_begin_and_none_is_needed_to_come_back(network):
    with trio.fail_after(60):
        await network.start()
    first, second, third, fourth = network.peers
    await until(lambda: all_linked(network, network.peers))
    await trade(network, fourth)

    # The peer has seen the others in the DHT, and keeps that on disk. It knew of one address only.
    assert (fourth.folder / "config.toml").read_text().count("bootstrap") == 1
    await until(lambda: {second.dht, third.dht} <= good_nodes(fourth))

    # SIGKILL of one side of all its links, and its only bootstrap node dies with it.
    fourth.kill()
    first.kill()
    await until(lambda: all_linked(network, [second, third]))
    with trio.fail_after(60):
        await fourth.start()
    assert first.dht == fourth.bootstrap
    await until(lambda: all_linked(network, [second, third, fourth]))
    await trade(network, fourth)  # Three of four are a quorum.

    with trio.fail_after(60):
        await first.start()
    await until(lambda: all_linked(network, network.peers))
    await trade(network, first)
    for peer in network.peers:
        assert peer.up

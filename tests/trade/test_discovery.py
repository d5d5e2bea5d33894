"""A client that is told no peer's address finds peers by the network's manifest and the DHT."""

import pytest
from net.support import Author, certify, make_network, open_peer, until

from gossipbook.errors import ConfigError
from gossipbook.trade.opening import open_client


async def test_a_client_finds_peers_by_the_manifest_and_the_dht_alone(tmp_path):
    """It is told of one node of the DHT, which is no peer's address."""
    network = make_network(tmp_path, 2)
    async with open_peer(network, tmp_path / "peer1", dht=True) as one:
        seed = "{}:{}".format(*one.dht.address)
        async with (
            open_peer(network, tmp_path / "peer2", dht=True, bootstrap=(seed,)) as two,
            open_client(manifest=network, bootstrap=(seed,)) as client,
        ):
            await until(lambda: {one.identity.public_key, two.identity.public_key} <= set(client.connections.links))
            await certify(client, Author(network.chain_id), 3)


async def test_a_client_is_told_what_it_lacks_to_find_peers(tmp_path):
    network = make_network(tmp_path, 2)
    for arguments, said in (
        ({"chain_id": network.chain_id}, "addresses: name at least one peer"),
        ({"chain_id": network.chain_id, "bootstrap": ("127.0.0.1:9",)}, "manifest: peers are found in the DHT by"),
        ({"manifest": network, "bootstrap": "127.0.0.1:9"}, "bootstrap: expected a list"),
        ({"manifest": network, "bootstrap": ("nowhere",)}, "nowhere"),
    ):
        with pytest.raises(ConfigError, match=said):
            async with open_client(**arguments):
                pass

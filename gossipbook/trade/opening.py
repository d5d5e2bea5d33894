"""Opens a client: links to peers, and learns the network's manifest, which nobody can forge."""

import os
from collections.abc import AsyncIterator, Iterable

import trio

from gossipbook.errors import ConfigError, GossipbookError, ManifestError, NoAnswer, ungrouped
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import DIGEST_BYTES, ChainId, PublicKey
from gossipbook.loops import trio_context
from gossipbook.manifest import Manifest
from gossipbook.net.address import parse_host_port
from gossipbook.trade.client import ATTEMPT_S, Client
from gossipbook.trade.connections import LINKS_CAP, LINKS_LEAST, Connections, checked_addresses
from gossipbook.trade.numbers import seconds, whole
from gossipbook.trade.peer_link import MALFORMED_ANSWER, PeerLink, QueryFailed

CONNECT_S = 10.0


@trio_context
async def open_client(
    addresses: str | Iterable[str] = (),
    chain_id: ChainId | None = None,
    identity: Identity | None = None,
    *,
    manifest: Manifest | None = None,
    own_key: PublicKey | None = None,
    bootstrap: Iterable[str] = (),
    links: int = LINKS_LEAST,
    within_s: float = CONNECT_S,
) -> AsyncIterator[Client]:
    """Be a client of a network for the length of the block.

    ``addresses``: one peer or several, as ``ws://host:port`` (loopback) or ``wss://host:port``. The client stays linked
    to two of them, or of those that they name, and to the leaders of its pairs. ``chain_id`` or ``manifest`` names the
    trusted network. ``bootstrap``: DHT nodes as ``host:port``, to find peers through; it needs the manifest, and then
    no address need be given. ``identity`` None: a key for these links alone. ``own_key``: the key of a peer whose word
    needs no proof, as it is the caller's own. ``links``: to so many peers at least; with 1, no other is looked for
    while that one is there.

    Example::

        async with open_client("ws://127.0.0.1:7400", bytes.fromhex(chain_id)) as client:
            print(await client.query("status"))

    Raises:
        ConfigError: an address or the chain id is none, or there is nowhere to look. NoAnswer: nobody was there.
        LinkClosed, HandshakeError: no address leads to a peer of that network; the last one's reason.
        WrongLoop: trio does not run here.
    """
    chain_id = _checked_chain(chain_id, manifest)
    links, within_s = whole("links", links, 1, LINKS_CAP), seconds("within_s", within_s)
    identity = identity or Identity(os.urandom(SEED_BYTES))
    holder: list[Client] = []

    def on_up(link: PeerLink) -> None:
        if holder:
            holder[0].link_up(link)

    def on_down(link: PeerLink) -> None:
        if holder:
            holder[0].link_down(link)

    listed, seeds = _sources(addresses, bootstrap, manifest)
    connections = Connections(chain_id, identity, listed, own_key, on_up, on_down, least=links)
    with ungrouped():
        async with trio.open_nursery() as nursery:
            _look_further(connections, manifest, seeds, nursery)
            nursery.start_soon(connections.run)
            manifest = manifest or await _fetch_manifest(connections, chain_id, within_s)
            await _first_link(connections, within_s)
            client = Client(manifest, connections, nursery)
            for link in connections.up():
                client.link_up(link)
            holder.append(client)
            try:
                yield client
            finally:
                client.release()
                nursery.cancel_scope.cancel()


def _sources(
    addresses: str | Iterable[str], bootstrap: Iterable[str], manifest: Manifest | None
) -> tuple[list[str], list[tuple[str, int]]]:
    """The peers to dial, and the DHT nodes to ask; each checked."""
    if isinstance(bootstrap, str):
        raise ConfigError("bootstrap: expected a list of host:port, not one text")
    seeds = [parse_host_port(address) for address in bootstrap]
    if seeds and manifest is None:
        raise ConfigError("manifest: peers are found in the DHT by the network's manifest; give it with bootstrap")
    named = manifest is not None and any(matcher.addresses for matcher in manifest.matchers)
    if (seeds or named) and not addresses:
        return [], seeds
    return checked_addresses(addresses), seeds


def _look_further(
    connections: Connections, manifest: Manifest | None, seeds: list[tuple[str, int]], nursery: trio.Nursery
) -> None:
    """Take the addresses that the manifest names, and begin to look for others in the DHT if there is a way into it."""
    if manifest is None:
        return
    for matcher in manifest.matchers:
        for address in matcher.addresses:
            connections.give(address, matcher.public_key)
    if seeds:
        from gossipbook.trade.discovery import discover_peers  # It brings the whole DHT.

        connections.searching = True
        nursery.start_soon(discover_peers, manifest, seeds, connections.learn, connections.is_short)


def _checked_chain(chain_id: ChainId | None, manifest: Manifest | None) -> ChainId:
    if chain_id is None:
        if manifest is None:
            raise ConfigError("chain_id: name the network that you trust, by its chain id or its manifest")
        return manifest.chain_id
    if not isinstance(chain_id, bytes) or len(chain_id) != DIGEST_BYTES:
        raise ConfigError(f"chain_id: expected {DIGEST_BYTES} bytes (bytes.fromhex of its text), not {chain_id!r}")
    if manifest is not None and manifest.chain_id != chain_id:
        raise ConfigError("chain_id: it is not the manifest's")
    return chain_id


async def _first_link(connections: Connections, within_s: float) -> None:
    """Until there is a link, or every address has failed."""
    with trio.move_on_after(within_s):
        while not connections.links:
            if connections.failed_all() and connections.last_error is not None:
                raise connections.last_error
            with trio.move_on_after(0.1):
                await connections.changed.wait()
    if not connections.links:
        raise connections.last_error or NoAnswer(f"no peer answered within {within_s:g} s")


async def _fetch_manifest(connections: Connections, chain_id: ChainId, within_s: float) -> Manifest:
    """The network's manifest, from whoever is linked; its digest is the chain id, so that nobody can forge it."""
    deadline_s = trio.current_time() + within_s
    trouble: GossipbookError = NoAnswer(f"no peer answered within {within_s:g} s")
    while (left_s := deadline_s - trio.current_time()) > 0:
        await _first_link(connections, left_s)
        link = connections.next()
        if link is None:
            continue
        try:
            manifest = Manifest.from_dict(await link.query("manifest", within_s=min(left_s, ATTEMPT_S)))
            if manifest.chain_id == chain_id:
                return manifest
            link.close("the manifest is of another network")
        except (*MALFORMED_ANSWER, ManifestError, QueryFailed):
            link.close("no manifest")
        except GossipbookError as error:
            trouble = error
        await trio.lowlevel.checkpoint()
    raise trouble

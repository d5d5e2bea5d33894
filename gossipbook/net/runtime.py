"""One running peer on its network: it listens, dials, and finds others. ``opening`` opens and closes it."""

import os
import ssl
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from gossipbook.dht import ProviderRecord
from gossipbook.dht.node import DhtNode
from gossipbook.errors import ConfigError, HandshakeError, LinkClosed, Unavailable
from gossipbook.ids import PeerId, pair_key, peer_id
from gossipbook.net.address import Address, parse_address, parse_host_port
from gossipbook.net.admission import Admission
from gossipbook.net.archivist import Archivist
from gossipbook.net.clock import system_now
from gossipbook.net.clock_offset import own_offset_ms
from gossipbook.net.dialler import AddressBook
from gossipbook.net.driver import Driver
from gossipbook.net.good_nodes import save_good_nodes
from gossipbook.net.link import Link
from gossipbook.net.settings import NetSettings
from gossipbook.net.tls import make_server_context
from gossipbook.net.transport import Channel, accept, dial, shake_hands
from gossipbook.peer.peer import Peer
from gossipbook.refusals import Scope
from gossipbook.storage.folder import PeerFolder
from gossipbook.wire.handshake import Handshake, Hello, Role, required_features

DIAL_INTERVAL_S = 0.25
LOOKUP_INTERVAL_S = 1.0
SETTLED_LOOKUP_INTERVAL_S = 10.0
DUPLICATE = "duplicate-link"
RELOADABLE = ("advertise", "bootstrap", "peers")
"""Settings that a running peer can take over; the rest needs a restart."""


class Runtime:
    """One running peer. Made by :func:`open_runtime`."""

    def __init__(self, settings: NetSettings, peer: Peer, driver: Driver, archivist: Archivist) -> None:
        self.manifest = manifest = peer.manifest
        self.identity = peer.identity
        self.settings = settings
        self.peer = peer
        self.driver = driver
        self.archivist = archivist
        self.addresses: tuple[Address, ...] = ()
        self._bound = ("", 0)
        self.local_address = ""  # where this machine itself reaches the listener
        self.dht: DhtNode | None = None
        self.failed_dials = 0
        self.started_ms = system_now().wall_ms
        self._book = AddressBook()
        self._tls: tuple[ssl.SSLContext, bytes] | None = None
        self._admission = Admission(settings)
        self._dialling: dict[Address, None] = {}
        self._clients = 0
        for matcher in manifest.matchers:
            self._book.learn(matcher.peer_id, [parse_address(a) for a in matcher.addresses])
        self.seeds: list[tuple[str, int]] = []  # DHT nodes to join through
        self._book.set_anonymous(map(parse_address, settings.peers))

    def reload(self, settings: NetSettings) -> None:
        """Take over what of new settings a running peer can: see :data:`RELOADABLE`."""
        self.settings = replace(self.settings, **{name: getattr(settings, name) for name in RELOADABLE})
        self._book.set_anonymous(map(parse_address, settings.peers))
        self.seeds[:] = dict.fromkeys([*map(parse_host_port, settings.bootstrap), *self.seeds])
        self.addresses = self.settings.advertised(*self._bound)

    @property
    def rejected(self) -> Counter[str]:
        """What this peer refused, counted by scope and reason."""
        return self.peer.refusals.told()

    def _refused(self, scope: Scope, reason: str) -> None:
        self.peer.refusals.count(scope, reason)

    # -- listening ----------------------------------------------------------------------------------

    async def listen(self, nursery: trio.Nursery) -> None:
        """Bind and serve.

        Raises:
            ConfigError: the port is taken or the host is not ours.
        """
        host, port = parse_host_port(self.settings.listen)
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise Unavailable(f"cannot listen on {self.settings.listen}: {error.strerror}; choose another") from None
        if self.settings.use_tls:
            self._tls = make_server_context()
        bound_port = listeners[0].socket.getsockname()[1]
        self._bound = (host, bound_port)
        self.addresses = self.settings.advertised(host, bound_port)
        local_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.local_address = str(Address(local_host, bound_port, self.settings.use_tls))
        nursery.start_soon(partial(trio.serve_listeners, self._on_stream, listeners, handler_nursery=nursery))

    async def _on_stream(self, stream: trio.SocketStream) -> None:
        with self.driver.guard.alone("a connection"):
            await self._serve_stream(stream)

    async def _serve_stream(self, stream: trio.SocketStream) -> None:
        try:
            remote = str(stream.socket.getpeername()[0])
        except OSError:  # Reset before it was served.
            self._refused(Scope.CONNECTION, "gone at once")
            await trio.aclose_forcefully(stream)
            return
        refusal = self._admission.refusal(remote)
        if refusal:
            self._refused(Scope.LINK, refusal)
            await trio.aclose_forcefully(stream)
            return
        self._admission.began(remote)
        half_open = True
        context, binding = self._tls or (None, b"")
        try:
            async with accept(stream, remote, context, binding) as channel:
                hello = await self._shake(channel, dialled=False)
                half_open = False
                self._admission.opened(remote)
                await self._run_link(channel, hello, outbound=False)
        except* (LinkClosed, HandshakeError, OSError) as group:
            self._count_refusals(group)
        finally:
            if half_open:
                self._admission.opened(remote)
            self._admission.ended(remote)

    async def _shake(self, channel: Channel, *, dialled: bool) -> Hello:
        handshake = Handshake(
            self.identity,
            self.manifest.chain_id,
            dialled=dialled,
            nonce=os.urandom(32),
            addresses=tuple(map(str, self.addresses)),
            binding=channel.binding,
            requires=required_features(self.manifest.rules_version),
        )
        return await shake_hands(channel, handshake)

    def _count_refusals(self, group: BaseExceptionGroup[BaseException]) -> None:
        for error in group.exceptions:
            if isinstance(error, BaseExceptionGroup):
                self._count_refusals(error)
            elif isinstance(error, HandshakeError):
                self._refused(Scope.HANDSHAKE, error.reason)
            else:
                self._refused(Scope.CONNECTION, "not a websocket, or ended in the handshake")

    # -- links --------------------------------------------------------------------------------------

    async def _run_link(self, channel: Channel, hello: Hello, *, outbound: bool) -> None:
        peer = hello.peer_id
        if len(self.driver.links) >= self.settings.links_cap:
            self._refused(Scope.LINK, "too many links")
            await channel.close("too-many-links")
            return
        if hello.role is Role.CLIENT:
            self._clients += 1
            link_id = peer + self._clients.to_bytes(8, "big")
        else:
            link_id = peer
            if not self._prefer(peer, outbound=outbound):
                await channel.close(DUPLICATE)
                return
            self._learn_addresses(hello)
        await self.driver.serve_link(Link(channel, hello, link_id, outbound=outbound))

    def _prefer(self, peer: PeerId, *, outbound: bool) -> bool:
        """Whether to take a second link to a peer: when both dialled at once, the smaller id's one stays."""
        existing = self.driver.links.get(peer)
        if existing is None or existing.outbound == outbound:
            return True  # A new link by the same dialler: the old one is dead and we have not noticed yet.
        ours_stays = self.identity.peer_id < peer
        return outbound == ours_stays

    def _learn_addresses(self, hello: Hello) -> None:
        try:
            self._book.learn(hello.peer_id, [parse_address(address) for address in hello.addresses])
        except ConfigError:
            self._refused(Scope.HANDSHAKE, "unusable address")

    def addresses_of(self, peer: PeerId) -> list[str]:
        """Where a peer can be dialled, as far as this one knows."""
        own = self.addresses if peer == self.identity.peer_id else self._book.addresses(peer)
        return list(map(str, own))

    # -- dialling -----------------------------------------------------------------------------------

    async def keep_dialling(self, nursery: trio.Nursery) -> None:
        """Keep links to the committees of our pairs and to a few other followers."""
        while True:
            linked = {str(link.channel.remote) for link in self.driver.links.values() if link.outbound}
            for address in self._book.ready_anonymous():
                if str(address) not in linked:
                    self._start_dial(nursery, address, None)
            for peer in self._wanted():
                ready = self._book.ready(peer)
                if ready is not None:
                    self._start_dial(nursery, ready, peer)
            await trio.sleep(DIAL_INTERVAL_S)

    def _wanted(self) -> list[PeerId]:
        wanted = self.peer.wanted_peers()
        outbound = sum(1 for link in self.driver.links.values() if link.outbound)
        if outbound < self.settings.outbound_least:
            others = [p for p in self._book.peers() if p not in self.driver.links and p != self.identity.peer_id]
            wanted += [p for p in others if p not in wanted][: self.settings.outbound_least - outbound]
        return wanted

    def _start_dial(self, nursery: trio.Nursery, address: Address, expected: PeerId | None) -> None:
        if address in self._dialling or address in self.addresses:
            return
        if len(self._dialling) >= self.settings.dial_parallel_cap:
            return
        self._dialling[address] = None
        nursery.start_soon(self._dial, address, expected)

    async def _dial(self, address: Address, expected: PeerId | None) -> None:
        dialling = True
        try:
            async with dial(address) as channel:
                hello = await self._shake(channel, dialled=True)
                if expected is not None and hello.peer_id != expected:
                    self._book.failed(address)
                    await channel.close("not-whom-i-dialled")
                    return
                self._book.worked(address)
                self._book.learn(hello.peer_id, [address])
                del self._dialling[address]
                dialling = False  # From here on the entry is the next dial's.
                await self._run_link(channel, hello, outbound=True)
                self._book.failed(address)
        except* (LinkClosed, OSError):
            self._book.failed(address)
            self.failed_dials += 1
        except* HandshakeError as group:
            self._book.failed(address)
            self._count_refusals(group)
        except* Exception as group:  # noqa: BLE001 - counted and logged; a stranger must not end the program
            self._book.failed(address)
            self.driver.guard.failed("a dial", group)
        finally:
            if dialling:
                del self._dialling[address]

    # -- discovery ----------------------------------------------------------------------------------

    def keys(self) -> dict[str, PeerId]:
        """The DHT key of each pair that this peer follows."""
        return {symbol: pair_key(self.manifest.digest, symbol) for symbol in self.peer.pairs}

    async def discover(self, dht: DhtNode) -> None:
        """Look up who serves our pairs; often while somebody is missing, seldom after."""
        while True:
            for key in self.keys().values():
                for record in await dht.lookup(key):
                    if record.public_key == self.identity.public_key:
                        continue
                    try:
                        addresses = [parse_address(address) for address in record.addresses]
                    except ConfigError:
                        self._refused(Scope.DISCOVERY, "unusable address")
                        continue
                    self._book.learn(peer_id(record.public_key), addresses)
            self._keep_good_nodes(dht)
            await trio.sleep(LOOKUP_INTERVAL_S if self._wanted() else SETTLED_LOOKUP_INTERVAL_S)

    @property
    def good_nodes_file(self) -> Path:
        """Where DHT nodes that were of use are kept for the next start."""
        assert self.settings.folder is not None
        return PeerFolder(self.settings.folder).good_nodes_file

    def _keep_good_nodes(self, dht: DhtNode) -> None:
        try:
            save_good_nodes(self.good_nodes_file, dht.good_nodes())
        except OSError as error:
            self._refused(Scope.HINT, f"good nodes not written: {error.strerror}")

    def make_record(self, key: PeerId) -> ProviderRecord:
        """What this peer says of itself under a pair's key."""
        return ProviderRecord(
            key,
            self.identity.public_key,
            addresses=tuple(map(str, self.addresses)),
            roles=("matcher",) if self.is_matcher else ("follower",),
            load=len(self.driver.links),
        )

    @property
    def clock_offset_ms(self) -> int | None:
        """How far this clock is ahead of the committees' median, by their pings; None while nobody has said."""
        links = self.driver.links
        return own_offset_ms(links[m.peer_id].clock_ahead_ms for m in self.manifest.matchers if m.peer_id in links)

    @property
    def is_matcher(self) -> bool:
        return any(m.public_key == self.identity.public_key for m in self.manifest.matchers)

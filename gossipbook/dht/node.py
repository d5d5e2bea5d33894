"""The DHT in a trio program: opens the socket and the asyncio loop, and closes both.

The loop lives in a task of its own inside ``open_dht``'s nursery, so that the caller's context (asyncio's notion of
the running loop is a context variable) stays as it was. asyncio's datagram transport is given a socket that
was bound here, so that a port in use is reported by name.
"""

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import trio

from gossipbook.dht import datagram
from gossipbook.dht.asyncio_guard import import_trio_asyncio
from gossipbook.dht.config import DhtConfig
from gossipbook.dht.datagram import Address
from gossipbook.dht.lookup import Discovery
from gossipbook.dht.protocol import DhtProtocol
from gossipbook.dht.records import ProviderRecord, sign_record
from gossipbook.errors import ConfigError, GossipbookError, Unavailable, ungrouped
from gossipbook.identity import Identity
from gossipbook.ids import PEER_ID_BYTES, ChainId, PeerId, PublicKey
from gossipbook.refusals import Refusals, Scope

log = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 1_048_576  # A guess: a second of a thousand requests. The kernel may give less.
ANNOUNCED_AT_ONCE = 16
JITTER = 0.1

T = TypeVar("T")
MakeRecord = Callable[[PeerId], ProviderRecord | None]


class DhtClosed(GossipbookError):
    """The node was closed, before the call or while it was under way."""


class DhtNode:
    """One open node, made by :func:`open_dht`. When that block ends, its calls raise :class:`DhtClosed`."""

    def __init__(self, loop: Any, protocol: DhtProtocol, matchers: Sequence[PublicKey], address: Address) -> None:
        self.address = address
        self.config = protocol.config
        self._loop = loop
        self._protocol = protocol
        self._discovery = Discovery(protocol, matchers)
        self._sequence = 0
        self._closing = trio.Event()

    @property
    def stats(self) -> dict[str, int]:
        """Counters since the start, and the present sizes of the tables."""
        sizes = {
            "now:nodes": len(self._protocol.router.nodes()),
            "now:nodes_dead": len(self._protocol.nodes.dead),
            "now:records": len(self._protocol.storage.table),
        }
        counted = self._protocol.stats + self._protocol.refusals.of(Scope.DHT)
        return dict(sorted(counted.items())) | sizes

    async def bootstrap(self, addresses: Iterable[tuple[str, int]]) -> int:
        """Join through these addresses (names are resolved); how many of them answered as nodes of this network."""
        resolved: dict[Address, None] = {}
        for host, port in list(addresses)[: self.config.seeds_cap]:
            if not 0 < port <= 65_535:
                self._protocol.stats["bootstrap_unresolved"] += 1
                continue
            for address in await self._resolve(host, port):
                resolved[address] = None
        resolved.pop(self.address, None)
        resolved.pop(self._protocol.claim or self.address, None)
        return await self._run(self._discovery.join(list(resolved)))

    async def announce(self, key: PeerId, record: ProviderRecord) -> int:
        """Sign a record and store it near its key; how many nodes took it, this one included if it is near.

        Key, signer, sequence and expiry of ``record`` are filled in here.

        Raises:
            ConfigError: the record does not fit the format.
        """
        (taken,) = await self.announce_all([(key, record)])
        return taken

    async def announce_all(self, records: Sequence[tuple[PeerId, ProviderRecord]]) -> list[int]:
        """:meth:`announce` for several keys at once."""
        signed = [(key, self._sign(key, record, withdrawn=False)) for key, record in records]
        return await self._run(self._discovery.store_all(signed))

    async def withdraw(self, key: PeerId) -> int:
        """Say that this peer has gone from a key; how many nodes took it."""
        empty = ProviderRecord(key, self._protocol.identity.public_key)
        signed = [(key, self._sign(key, empty, withdrawn=True))]
        (taken,) = await self._run(self._discovery.store_all(signed, everywhere=True))
        return taken

    async def lookup(self, key: PeerId) -> list[ProviderRecord]:
        """All valid records of a key that the nodes near it hold, one per signer, nearest signer first.

        They are hints: a record proves who signed it lately, not that they can be reached.
        """
        assert len(key) == PEER_ID_BYTES
        return await self._run(self._discovery.find_providers(key))

    async def refresh(self) -> None:
        """One round of the upkeep that runs every heartbeat anyway."""
        await self._run(self._discovery.refresh())

    def good_nodes(self) -> list[tuple[str, int]]:
        """Addresses of live nodes, most recently heard first: keep them, and bootstrap from them next time."""
        now = self._protocol.monotonic()
        known = [*self._protocol.router.nodes(), *self._protocol.nodes.matcher_nodes.values()]
        known.sort(key=lambda node: (-node.heard_at, node.id))
        live = dict.fromkeys(n.contact.address for n in known if not self._protocol.nodes.dead.has(n.contact, now))
        return list(live)[: self.config.seeds_cap]

    def _sign(self, key: PeerId, record: ProviderRecord, *, withdrawn: bool) -> bytes:
        assert len(key) == PEER_ID_BYTES
        self._sequence = max(self._protocol.wall_ms(), self._sequence + 1)
        whole = replace(
            record,
            key=key,
            public_key=self._protocol.identity.public_key,
            sequence=self._sequence,
            expires_ms=self._sequence + round(self.config.expiry_s * 1000),
            withdrawn=withdrawn,
        )
        return sign_record(self._protocol.identity, self._protocol.chain_id, whole)

    async def _resolve(self, host: str, port: int) -> list[Address]:
        family = self._protocol.transport.get_extra_info("socket").family
        try:
            infos = await trio.socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: no name of a host at all.
            self._protocol.stats["bootstrap_unresolved"] += 1
            log.warning("bootstrap address %s:%s: %s", host, port, error)
            return []
        return [(str(info[4][0]), int(info[4][1])) for info in infos]

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await asyncio's ``work`` from trio."""
        if self._closing.is_set():
            work.close()
            raise DhtClosed("the DHT node is closed")
        try:
            result: T = await self._loop.run_aio_coroutine(work)
        except asyncio.CancelledError:
            if self._closing.is_set():
                raise DhtClosed("the DHT node was closed meanwhile") from None
            raise
        return result

    async def _keep_up(self) -> None:
        while True:
            await trio.sleep(_jittered(self.config.heartbeat_s))
            await self.refresh()


@asynccontextmanager
async def open_dht(
    *,
    identity: Identity,
    chain_id: ChainId,
    listen: tuple[str, int],
    bootstrap: Sequence[tuple[str, int]] = (),
    config: DhtConfig | None = None,
    matchers: Collection[PublicKey] = (),
    advertise: tuple[str, int] | None = None,
    wall_ms: Callable[[], int],
    refusals: Refusals | None = None,
) -> AsyncIterator[DhtNode]:
    """A node that listens on UDP ``listen`` (port 0: any) and has joined through ``bootstrap``.

    ``advertise`` is where others are to contact it, if that is not where its datagrams come from: the outer
    address of a UDP proxy or a forwarded port. Others contact it there or not at all.

    What the node refuses is counted in ``refusals``.

    Nothing is withdrawn at the end: that is the caller's to do, while the node is open.

    Raises:
        ConfigError: the address cannot be listened on, or the one to advertise cannot be contacted.
    """

    def protocol() -> DhtProtocol:
        return DhtProtocol(
            identity=identity,
            chain_id=chain_id,
            config=config or DhtConfig(),
            matchers=matchers,
            claim=claim,
            wall_ms=wall_ms,
            monotonic=trio.current_time,
            refusals=refusals or Refusals(),
        )

    with ungrouped(), await _bind(*listen) as sock:
        claim = None if advertise is None else await _claim(*advertise, sock)
        async with trio.open_nursery() as nursery:
            node: DhtNode = await nursery.start(_serve, sock, protocol, sorted(matchers))
            try:
                if bootstrap:
                    await node.bootstrap(bootstrap)
                yield node
            finally:
                node._closing.set()


async def announce_forever(node: DhtNode, keys: Sequence[PeerId], make_record: MakeRecord) -> None:
    """Announce under each of ``keys`` every heartbeat, until cancelled.

    ``keys`` is read anew each round. ``make_record(key)`` gives what to say now, or None to keep silent.

    Raises:
        DhtClosed: the node was closed.
        ConfigError: a record does not fit the format.
    """
    while True:
        started = trio.current_time()
        due = [(key, record) for key in keys if (record := make_record(key)) is not None]
        for first in range(0, len(due), ANNOUNCED_AT_ONCE):
            await node.announce_all(due[first : first + ANNOUNCED_AT_ONCE])
        await trio.sleep_until(started + _jittered(node.config.heartbeat_s))


async def _serve(
    sock: socket.socket,
    make_protocol: Callable[[], DhtProtocol],
    matchers: Sequence[PublicKey],
    task_status: trio.TaskStatus[DhtNode],
) -> None:
    async with import_trio_asyncio().open_loop() as loop:
        protocol = make_protocol()

        def on_error(_: object, context: dict[str, Any]) -> None:
            # trio-asyncio's own handler would end the program.
            protocol.stats["loop_errors"] += 1
            log.error("DHT: %s", context.get("message"), exc_info=context.get("exception"))

        loop.set_exception_handler(on_error)
        transport, _ = await loop.run_aio_coroutine(loop.create_datagram_endpoint(lambda: protocol, sock=sock))
        host, port = sock.getsockname()[:2]
        node = DhtNode(loop, protocol, matchers, (host, port))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node._keep_up)
                task_status.started(node)
                await node._closing.wait()
                nursery.cancel_scope.cancel()
        finally:
            node._closing.set()
            transport.close()
            protocol.nodes.close()


async def _bind(host: str, port: int) -> socket.socket:
    where = f"dht: cannot listen on UDP {host}:{port}"
    try:
        infos = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{where}: {error}; give an address of this machine") from None
    family, _, _, _, address = infos[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise Unavailable(f"{where}: {error.strerror}; choose another port, or stop what holds it") from None
    return sock


async def _claim(host: str, port: int, sock: socket.socket) -> Address:
    where = f"dht: cannot advertise UDP {host}:{port}"
    try:
        infos = await trio.socket.getaddrinfo(host, None, sock.family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{where}: {error}; give an address of the kind that is listened on") from None
    address = (str(infos[0][4][0]), port)
    if not 0 < port <= 65_535 or not datagram.believable(address, address):
        raise ConfigError(f"{where}: nobody can send there; give the proxy's outer address and port")
    return address


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)

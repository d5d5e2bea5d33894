"""One node's side of the DHT's protocol: hands each datagram to what it is for, and answers requests."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from kademlia.node import Node
from kademlia.protocol import KademliaProtocol

from gossipbook import cbor
from gossipbook.buckets import TokenBucket
from gossipbook.dht import datagram
from gossipbook.dht.config import DhtConfig
from gossipbook.dht.datagram import Address, Contact, DatagramError, Reply, Request
from gossipbook.dht.known_nodes import KnownNodes
from gossipbook.dht.records import RECORD_BYTES_CAP, RecordError
from gossipbook.dht.requests import DOMAIN_PONG, Requests
from gossipbook.dht.routing import BoundedRoutingTable, KnownNode
from gossipbook.dht.storage import RecordStorage
from gossipbook.errors import DecodeError
from gossipbook.identity import Identity
from gossipbook.ids import ChainId, PeerId, PublicKey, peer_id
from gossipbook.refusals import Refusals, Scope

log = logging.getLogger(__name__)

T = TypeVar("T")


class DhtProtocol(KademliaProtocol):  # type: ignore[misc]  # kademlia is untyped
    """Everything that a datagram can cause, guarded: nothing a remote sends raises out of here."""

    def __init__(
        self,
        *,
        identity: Identity,
        chain_id: ChainId,
        config: DhtConfig,
        matchers: Collection[PublicKey],
        claim: Address | None = None,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float],
        refusals: Refusals,
    ) -> None:
        self.stats: Counter[str] = Counter()
        self.refusals = refusals
        storage = RecordStorage(chain_id, config.table, matchers, config.signatures_per_s)
        super().__init__(Node(identity.peer_id), storage, config.k)
        self.router = BoundedRoutingTable(self, config.k, self.source_node)
        self.storage: RecordStorage = storage
        self.config = config
        self.identity = identity
        self.chain_id = chain_id
        self.claim = claim
        self.wall_ms, self.monotonic = wall_ms, monotonic
        self.requests = Requests(identity, chain_id, config, claim, monotonic, self.stats, refusals)
        self.nodes = KnownNodes(self.requests, self.router, matchers, self.stats, refusals)
        self._pong_budget = TokenBucket(config.signatures_per_s)
        self._methods: dict[str, Callable[[Address, Request], list[Any] | None]] = {
            datagram.PING: self._on_ping,
            datagram.FIND_NODE: self._on_find_node,
            datagram.FIND_PROVIDERS: self._on_find_providers,
            datagram.STORE_RECORD: self._on_store_record,
        }

    def __getattr__(self, name: str) -> Any:
        """The stock class turns each misspelt attribute into a remote call; this one does not."""
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # Datagrams in

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        super().connection_made(transport)
        self.requests.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            self._receive(data, (addr[0], addr[1]))
        except DatagramError as error:
            self.refusals.count(Scope.DHT, f"datagrams_refused:{error.reason}")
        except Exception:
            # A fault of ours. It must not end the program that a stranger's datagram brought it to light in.
            self.refusals.count(Scope.DHT, "datagrams_refused:internal-error")
            log.exception("a datagram met a fault of this program")

    def error_received(self, exc: Exception) -> None:
        self.stats["socket_errors"] += 1
        log.debug("DHT socket: %s", exc)

    def _receive(self, data: bytes, address: Address) -> None:
        message = datagram.decode(data, self.requests.network)
        if message.public_key == self.identity.public_key:
            raise DatagramError("own-key")
        if isinstance(message, Reply):
            self.requests.on_reply(message, address)
        else:
            self._on_request(message, address)

    def _on_request(self, request: Request, address: Address) -> None:
        method = self._methods.get(request.method)
        if method is None:
            raise DatagramError("unknown-method")
        try:
            results = method(address, request)
        except DecodeError:
            raise DatagramError("bad-arguments") from None
        if results is None:
            return
        self.stats[f"requests_served:{request.method}"] += 1
        reply = Reply(request.message_id, self.identity.public_key, results, self.claim)
        self.requests.send(
            datagram.encode_reply(self.requests.network, reply), address
        )  # To the sender, whatever it claims.
        if (home := self.requests.home(address, request.claim)) is not None:
            # Behind a proxy, a sender's address may be the proxy's own.
            overheard = self.claim is not None and request.claim is None
            self.nodes.met(Contact(peer_id(request.public_key), *home), request.public_key, overheard=overheard)

    def _on_ping(self, address: Address, request: Request) -> list[Any] | None:
        _arguments(request, 0)
        if not self._pong_budget.spend(self.monotonic()):
            self.refusals.count(Scope.DHT, "pongs_withheld")
            return None
        proof = request.message_id + request.public_key + datagram.pack_claim(self.claim)
        return [self.identity.sign(DOMAIN_PONG, self.chain_id, proof)]

    def _on_find_node(self, address: Address, request: Request) -> list[Any]:
        (key,) = _arguments(request, 1)
        return [self._advertised(datagram.check_key(key), request)]

    def _on_find_providers(self, address: Address, request: Request) -> list[Any]:
        key, cursor = _arguments(request, 2)
        key, cursor = datagram.check_key(key), datagram.check_cursor(cursor)
        nodes = [] if cursor else self._advertised(key, request)
        room = datagram.DATAGRAM_BYTES_CAP - datagram.REPLY_HEAD_BYTES
        if self.claim is not None:
            nodes = nodes[: datagram.NODES_PER_REPLY - 1]  # The claim takes the place of one.
            room -= datagram.CLAIM_BYTES
        room -= datagram.NODE_BYTES * len(nodes)
        records, following = self.storage.table.page(key, cursor, room, self.monotonic())
        return [nodes, records, following]

    def _on_store_record(self, address: Address, request: Request) -> list[Any]:
        key, raw = _arguments(request, 2)
        datagram.check_key(key)
        cbor.check_blob(raw, "record", RECORD_BYTES_CAP)
        return [self.store_locally(key, raw)]

    def store_locally(self, key: PeerId, raw: bytes) -> bool:
        """Verify and keep a record; whether the table now knows it."""
        try:
            outcome = self.storage.put(key, raw, self.monotonic())
        except RecordError as error:
            self.refusals.count(Scope.DHT, f"stores_refused:{error.reason}")
            return False
        self.stats["records_stored" if outcome.taken else f"stores_refused:{outcome.value}"] += 1
        return outcome.taken

    def _advertised(self, key: PeerId, request: Request) -> list[list[Any]]:
        now = self.monotonic()
        near = self.router.nearest(key, datagram.NODES_PER_REPLY + 1)
        live = [
            n.contact for n in near if n.public_key != request.public_key and not self.nodes.dead.has(n.contact, now)
        ]
        return datagram.pack_nodes(live)

    # Requests out

    async def ask(
        self, contact: Contact, method: str, arguments: list[Any], parse: Callable[[list[Any]], T]
    ) -> T | None:
        """The parsed results of a request, or None: no answer, a malformed one, or another node's."""
        if self.requests.overloaded():
            return None
        reply = await self.requests.request(contact.address, method, arguments, contact.node_id)
        if reply is None:
            self.nodes.unanswered(contact)
            return None
        try:
            results = parse(reply.results)
        except DecodeError:
            self.refusals.count(Scope.DHT, "replies_malformed")
            self.nodes.remove(contact)
            return None
        self.nodes.answered(contact, reply.public_key, reply.claim)
        return results

    def try_soon(self, node: KnownNode) -> None:
        """Ping a node that is in the way of a newer one; the routing table calls this."""
        self.nodes.try_soon(node)


def _arguments(request: Request, count: int) -> list[Any]:
    if len(request.arguments) != count:
        raise DecodeError(f"{request.method} takes {count} arguments")
    return request.arguments

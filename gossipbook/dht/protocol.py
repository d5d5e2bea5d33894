"""One node's side of the DHT's protocol: answers requests, makes them, and keeps the routing table honest."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from kademlia.node import Node
from kademlia.protocol import KademliaProtocol

from gossipbook import cbor
from gossipbook.dht import datagram
from gossipbook.dht.config import DhtConfig
from gossipbook.dht.datagram import Address, Contact, DatagramError, Reply, Request
from gossipbook.dht.liveness import DeadNodes, TokenBucket
from gossipbook.dht.records import MAX_RECORD_BYTES, RecordError
from gossipbook.dht.routing import BoundedRoutingTable, KnownNode
from gossipbook.dht.storage import RecordStorage
from gossipbook.errors import DecodeError
from gossipbook.identity import Identity, SignatureCheck, signed_message, verify_signature
from gossipbook.ids import ChainId, PeerId, PublicKey, peer_id, xor_distance

log = logging.getLogger(__name__)

DOMAIN_PONG = b"pong"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting:
    address: Address
    node_id: PeerId | None
    reply: "asyncio.Future[Reply | None]"


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
    ) -> None:
        self.stats: Counter[str] = Counter()
        storage = RecordStorage(chain_id, config.table, matchers, config.signatures_per_s)
        super().__init__(Node(identity.peer_id), storage, config.k)
        self.router = BoundedRoutingTable(self, config.k, self.source_node)
        self.storage: RecordStorage = storage
        self.config = config
        self.identity = identity
        self.chain_id = chain_id
        self.claim = claim
        self.wall_ms, self.monotonic = wall_ms, monotonic
        self.dead = DeadNodes(config.dead_cap, config.dead_memory_s)
        self.matcher_nodes: dict[PeerId, KnownNode] = {}
        self._matchers = frozenset(matchers)
        self._network = datagram.network_of(chain_id)
        self._waiting: dict[bytes, _Waiting] = {}
        self._verifying: dict[PeerId, asyncio.Task[None]] = {}
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

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            self._receive(data, (addr[0], addr[1]))
        except DatagramError as error:
            self.stats[f"datagrams_refused:{error.reason}"] += 1
        except Exception:
            # A fault of ours. It must not end the program that a stranger's datagram brought it to light in.
            self.stats["datagrams_refused:internal-error"] += 1
            log.exception("a datagram met a fault of this program")

    def error_received(self, exc: Exception) -> None:
        self.stats["socket_errors"] += 1
        log.debug("DHT socket: %s", exc)

    def _receive(self, data: bytes, address: Address) -> None:
        message = datagram.decode(data, self._network)
        if message.public_key == self.identity.public_key:
            raise DatagramError("own-key")
        if isinstance(message, Reply):
            self._on_reply(message, address)
        else:
            self._on_request(message, address)

    def _on_reply(self, reply: Reply, address: Address) -> None:
        waiting = self._waiting.get(reply.message_id)
        if waiting is None or waiting.reply.done():
            raise DatagramError("unasked-reply")
        if waiting.address != address:
            raise DatagramError("wrong-address")
        if waiting.node_id not in (None, peer_id(reply.public_key)):
            waiting.reply.set_result(None)  # Another node lives there now: no use in waiting on.
            raise DatagramError("wrong-key")
        waiting.reply.set_result(reply)

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
        self._send(datagram.encode_reply(self._network, reply), address)  # To the sender, whatever it claims.
        if (home := self._home(address, request.claim)) is not None:
            # Behind a proxy, a sender's address may be the proxy's own.
            overheard = self.claim is not None and request.claim is None
            self.met(Contact(peer_id(request.public_key), *home), request.public_key, overheard=overheard)

    def _on_ping(self, address: Address, request: Request) -> list[Any] | None:
        _arguments(request, 0)
        if not self._pong_budget.spend(self.monotonic()):
            self.stats["pongs_withheld"] += 1
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
        room = datagram.MAX_DATAGRAM_BYTES - datagram.REPLY_HEAD_BYTES
        if self.claim is not None:
            nodes = nodes[: datagram.NODES_PER_REPLY - 1]  # The claim takes the place of one.
            room -= datagram.CLAIM_BYTES
        room -= datagram.NODE_BYTES * len(nodes)
        records, following = self.storage.table.page(key, cursor, room, self.wall_ms())
        return [nodes, records, following]

    def _on_store_record(self, address: Address, request: Request) -> list[Any]:
        key, raw = _arguments(request, 2)
        datagram.check_key(key)
        cbor.check_blob(raw, "record", MAX_RECORD_BYTES)
        return [self.store_locally(key, raw)]

    def store_locally(self, key: PeerId, raw: bytes) -> bool:
        """Verify and keep a record; whether the table now knows it."""
        try:
            outcome = self.storage.put(key, raw, self.wall_ms(), self.monotonic())
        except RecordError as error:
            self.stats[f"stores_refused:{error.reason}"] += 1
            return False
        self.stats["records_stored" if outcome.taken else f"stores_refused:{outcome.value}"] += 1
        return outcome.taken

    def _advertised(self, key: PeerId, request: Request) -> list[list[Any]]:
        now = self.monotonic()
        near = self.router.nearest(key, datagram.NODES_PER_REPLY + 1)
        live = [n.contact for n in near if n.public_key != request.public_key and not self.dead.has(n.contact, now)]
        return datagram.pack_nodes(live)

    def _home(self, sender: Address, claim: Address | None) -> Address | None:
        """Where to contact a sender; None if it claims an address that it cannot know or nobody can have."""
        if claim is None or datagram.believable(claim, sender):
            return claim or sender
        self.stats["claims_refused"] += 1
        return None

    # Datagrams out

    async def ask(
        self, contact: Contact, method: str, arguments: list[Any], parse: Callable[[list[Any]], T]
    ) -> T | None:
        """The parsed results of a request, or None: no answer, a malformed one, or another node's."""
        if self._overloaded():
            return None
        reply = await self._request(contact.address, method, arguments, contact.node_id)
        if reply is None:
            self.unanswered(contact)
            return None
        try:
            results = parse(reply.results)
        except DecodeError:
            self.stats["replies_malformed"] += 1
            self._remove(contact)
            return None
        self.answered(contact, reply.public_key, reply.claim)
        return results

    async def ping(self, address: Address, node_id: PeerId | None = None) -> KnownNode | None:
        """The node at an address, if it answers and its answer proves its key."""
        if self._overloaded():
            return None
        reply = await self._request(address, datagram.PING, [], node_id)
        if reply is None:
            return None
        try:
            signature = datagram.pong_results(reply.results)
        except DecodeError:
            self.stats["replies_malformed"] += 1
            return None
        proof = reply.message_id + self.identity.public_key + datagram.pack_claim(reply.claim)
        check = SignatureCheck(reply.public_key, signed_message(DOMAIN_PONG, self.chain_id, proof), signature)
        if not verify_signature(check):
            self.stats["pongs_forged"] += 1
            return None
        contact = Contact(peer_id(reply.public_key), *address)
        return KnownNode(contact, reply.public_key, self.monotonic(), reply.claim)

    async def locate(self, address: Address, node_id: PeerId | None = None) -> KnownNode | None:
        """The node that answers at an address, as it proved itself where it wants to be contacted.

        A node that claims an address is known there or not at all: what answers for it elsewhere may be a relay.
        """
        node = await self.ping(address, node_id)
        if node is None or node.at_home:
            return node
        home = self._home(address, node.claim)
        if home is None or self._overloaded():
            return None
        there = await self.ping(home, node.id)
        if there is None or not there.at_home:
            self.stats["claims_unproved"] += 1
            return None
        return there

    async def _request(
        self, address: Address, method: str, arguments: list[Any], node_id: PeerId | None
    ) -> Reply | None:
        """Send, send again at half time (each datagram may be lost), give up at the timeout."""
        message_id = os.urandom(datagram.MESSAGE_ID_BYTES)
        request = Request(message_id, self.identity.public_key, method, arguments, self.claim)
        raw = datagram.encode_request(self._network, request)
        reply: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = _Waiting(address, node_id, reply)
        try:
            for _ in range(2):
                self._send(raw, address)
                done, _pending = await asyncio.wait({reply}, timeout=self.config.request_timeout_s / 2)
                if done:
                    return reply.result()
            self.stats["timeouts"] += 1
            return None
        finally:
            del self._waiting[message_id]
            reply.cancel()

    def _overloaded(self) -> bool:
        if len(self._waiting) < self.config.outstanding_cap:
            return False
        self.stats["requests_not_sent"] += 1
        return True

    def _send(self, raw: bytes, address: Address) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() + len(raw) > self.config.send_buffer_bytes:
            self.stats["datagrams_not_sent"] += 1
            return
        self.transport.sendto(raw, address)

    # Who is alive, and where

    def answered(self, contact: Contact, public_key: PublicKey, claim: Address | None = None) -> None:
        """A request of ours was answered from there, which no forger of sender addresses can do."""
        home = self._home(contact.address, claim)
        known = self.router.get(contact.node_id)
        if known is None or known.contact != contact or home != contact.address:
            if home is not None:
                self.met(Contact(contact.node_id, *home), public_key)
            return
        known.heard_at = self.monotonic()
        self.dead.forget(contact)
        self.router.touch(known)

    def met(self, contact: Contact, public_key: PublicKey, *, overheard: bool = False) -> None:
        """Somebody sends from there under this key. Unless that is known, they are asked to prove it.

        An ``overheard`` address is the weaker word: it moves no known node, and any other moves its node.
        """
        known = self.router.get(contact.node_id)
        if known is not None and (known.contact == contact or overheard):
            return
        if known is not None and known.overheard:
            known = None
        self._start(contact, self._verify(contact, known, overheard), public_key in self._matchers)

    def try_soon(self, node: KnownNode) -> None:
        """Ping a node that is in the way of a newer one; it goes if it is silent."""
        self._start(node.contact, self._try(node), node.id in self.matcher_nodes)

    async def still_there(self, node: KnownNode) -> bool:
        """Ping a known node; a silent one is removed and remembered as dead, one that wants to be elsewhere removed."""
        if self._overloaded():
            return True  # Unasked is not silent.
        proved = await self.ping(node.contact.address, node.id)
        if proved is None:
            self.unanswered(node.contact)
            return False
        if not proved.at_home:
            self.stats["nodes_moved"] += 1
            self._remove(node.contact)
        self.answered(node.contact, node.public_key, proved.claim)
        return proved.at_home

    def unanswered(self, contact: Contact) -> None:
        self.stats["nodes_silent"] += 1
        self.dead.add(contact, self.monotonic())
        self._remove(contact)

    def admit(self, node: KnownNode) -> None:
        """Take a node that has proved its key into the routing table."""
        if node.id == self.identity.peer_id:
            return
        self.dead.forget(node.contact)
        known = self.router.get(node.id)
        if known is not None and known.contact != node.contact:
            self.stats["nodes_moved"] += 1
            self._remove(known.contact)
        self.router.add_contact(node)
        if node.public_key in self._matchers:
            self.matcher_nodes[node.id] = node

    def nearest_matchers(self, key: PeerId) -> list[Contact]:
        """The nearest nodes of matchers. Ids can be ground to lie next to any key, but not these."""
        near = sorted(self.matcher_nodes.values(), key=lambda node: xor_distance(node.id, key))
        return [node.contact for node in near[: self.config.matcher_contacts]]

    async def verified(self) -> None:
        """Wait until the nodes met so far have proved their keys, or have not."""
        if self._verifying:
            await asyncio.wait(set(self._verifying.values()))

    def close(self) -> None:
        """Stop all that runs in the background."""
        for task in list(self._verifying.values()):
            task.cancel()

    async def _verify(self, contact: Contact, known: KnownNode | None, overheard: bool) -> None:
        # A known node is moved only when its old address is silent, or itself says so, and the new one proves the key:
        # neither a forged sender address nor a relay of the proof takes a live node's place.
        if known is not None and await self.still_there(known):
            self.stats["moves_refused"] += 1
            return
        node = await self.locate(contact.address, contact.node_id)
        if node is None:
            self.stats["nodes_unproved"] += 1
        else:
            node.overheard = overheard
            self.admit(node)

    async def _try(self, node: KnownNode) -> None:
        await self.still_there(node)

    def _start(self, contact: Contact, work: Any, is_matcher: bool) -> None:
        room = self.config.verify_cap if is_matcher else self.config.verify_cap // 2
        full = len(self._verifying) >= room
        if full or contact.node_id in self._verifying:
            self.stats["verifications_skipped"] += full
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._verifying[contact.node_id] = task
        task.add_done_callback(lambda done: self._verified(contact.node_id, done))

    def _verified(self, node_id: PeerId, task: "asyncio.Task[None]") -> None:
        del self._verifying[node_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            self.stats["verifications_failed:internal-error"] += 1
            log.error("verifying a node met a fault of this program", exc_info=error)

    def _remove(self, contact: Contact) -> None:
        known = self.router.get(contact.node_id)
        if known is not None and known.contact == contact:
            self.router.remove_contact(known)
        held = self.matcher_nodes.get(contact.node_id)
        if held is not None and held.contact == contact:
            del self.matcher_nodes[contact.node_id]


def _arguments(request: Request, count: int) -> list[Any]:
    if len(request.arguments) != count:
        raise DecodeError(f"{request.method} takes {count} arguments")
    return request.arguments

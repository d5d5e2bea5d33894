"""A node's own requests: sent, sent again, matched with their replies, and what a reply proves of its sender."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gossipbook.dht import datagram
from gossipbook.dht.config import DhtConfig
from gossipbook.dht.datagram import Address, Contact, DatagramError, Reply, Request
from gossipbook.dht.routing import KnownNode
from gossipbook.errors import DecodeError
from gossipbook.identity import Identity, SignatureCheck, signed_message, verify_signature
from gossipbook.ids import ChainId, PeerId, peer_id
from gossipbook.refusals import Refusals, Scope

DOMAIN_PONG = b"pong"


@dataclass(frozen=True, slots=True)
class _Waiting:
    address: Address
    node_id: PeerId | None
    reply: "asyncio.Future[Reply | None]"


class Requests:
    """The requests in flight. ``claim``: where this node wants to be contacted, if that is not where it sends from."""

    def __init__(
        self,
        identity: Identity,
        chain_id: ChainId,
        config: DhtConfig,
        claim: Address | None,
        monotonic: Callable[[], float],
        stats: Counter[str],
        refusals: Refusals,
    ) -> None:
        self.identity = identity
        self.chain_id = chain_id
        self.config = config
        self.claim = claim
        self.monotonic = monotonic
        self.stats = stats
        self.refusals = refusals
        self.transport: Any = None
        self.network = datagram.network_of(chain_id)
        self._waiting: dict[bytes, _Waiting] = {}

    def on_reply(self, reply: Reply, address: Address) -> None:
        """Take a reply.

        Raises:
            DatagramError: nobody waits for it from there.
        """
        waiting = self._waiting.get(reply.message_id)
        if waiting is None or waiting.reply.done():
            raise DatagramError("unasked-reply")
        if waiting.address != address:
            raise DatagramError("wrong-address")
        if waiting.node_id not in (None, peer_id(reply.public_key)):
            waiting.reply.set_result(None)  # Another node lives there now: no use in waiting on.
            raise DatagramError("wrong-key")
        waiting.reply.set_result(reply)

    def home(self, sender: Address, claim: Address | None) -> Address | None:
        """Where to contact a sender; None if it claims an address that it cannot know or nobody can have."""
        if claim is None or datagram.believable(claim, sender):
            return claim or sender
        self.refusals.count(Scope.DHT, "claims_refused")
        return None

    async def ping(self, address: Address, node_id: PeerId | None = None) -> KnownNode | None:
        """The node at an address, if it answers and its answer proves its key."""
        if self.overloaded():
            return None
        reply = await self.request(address, datagram.PING, [], node_id)
        if reply is None:
            return None
        try:
            signature = datagram.pong_results(reply.results)
        except DecodeError:
            self.refusals.count(Scope.DHT, "replies_malformed")
            return None
        proof = reply.message_id + self.identity.public_key + datagram.pack_claim(reply.claim)
        check = SignatureCheck(reply.public_key, signed_message(DOMAIN_PONG, self.chain_id, proof), signature)
        if not verify_signature(check):
            self.refusals.count(Scope.DHT, "pongs_forged")
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
        home = self.home(address, node.claim)
        if home is None or self.overloaded():
            return None
        there = await self.ping(home, node.id)
        if there is None or not there.at_home:
            self.refusals.count(Scope.DHT, "claims_unproved")
            return None
        return there

    async def request(
        self, address: Address, method: str, arguments: list[Any], node_id: PeerId | None
    ) -> Reply | None:
        """A node's reply, or None after the timeout; sent again at half time, as each datagram may be lost."""
        message_id = os.urandom(datagram.MESSAGE_ID_BYTES)
        request = Request(message_id, self.identity.public_key, method, arguments, self.claim)
        raw = datagram.encode_request(self.network, request)
        reply: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = _Waiting(address, node_id, reply)
        try:
            for _ in range(2):
                self.send(raw, address)
                done, _pending = await asyncio.wait({reply}, timeout=self.config.request_timeout_s / 2)
                if done:
                    return reply.result()
            self.stats["timeouts"] += 1
            return None
        finally:
            del self._waiting[message_id]
            reply.cancel()

    def overloaded(self) -> bool:
        """Whether too many requests are in flight for another one."""
        if len(self._waiting) < self.config.outstanding_cap:
            return False
        self.stats["requests_not_sent"] += 1
        return True

    def send(self, raw: bytes, address: Address) -> None:
        """Send a datagram, unless too much is waiting to be sent."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() + len(raw) > self.config.send_buffer_bytes:
            self.stats["datagrams_not_sent"] += 1
            return
        self.transport.sendto(raw, address)

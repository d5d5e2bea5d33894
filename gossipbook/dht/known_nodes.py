"""The nodes that a node knows: who has proved its key, who is alive, and where."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from typing import Any

from gossipbook.dht.datagram import Address, Contact
from gossipbook.dht.liveness import DeadNodes
from gossipbook.dht.requests import Requests
from gossipbook.dht.routing import BoundedRoutingTable, KnownNode
from gossipbook.ids import PeerId, PublicKey, xor_distance
from gossipbook.refusals import Refusals, Scope

log = logging.getLogger(__name__)


class KnownNodes:
    """Keeps the routing table honest: a node enters it by a proof of its key, and leaves it when it is silent."""

    def __init__(
        self,
        requests: Requests,
        table: BoundedRoutingTable,
        matchers: Collection[PublicKey],
        stats: Counter[str],
        refusals: Refusals,
    ) -> None:
        config = requests.config
        self.dead = DeadNodes(config.dead_cap, config.dead_memory_s)
        self.matcher_nodes: dict[PeerId, KnownNode] = {}
        self.table = table
        self.stats = stats
        self.refusals = refusals
        self._requests = requests
        self._matchers = frozenset(matchers)
        self._verifying: dict[PeerId, asyncio.Task[None]] = {}

    def answered(self, contact: Contact, public_key: PublicKey, claim: Address | None = None) -> None:
        """A request of ours was answered from there, which no forger of sender addresses can do."""
        home = self._requests.home(contact.address, claim)
        known = self.table.get(contact.node_id)
        if known is None or known.contact != contact or home != contact.address:
            if home is not None:
                self.met(Contact(contact.node_id, *home), public_key)
            return
        known.heard_at = self._requests.monotonic()
        self.dead.forget(contact)
        self.table.touch(known)

    def met(self, contact: Contact, public_key: PublicKey, *, overheard: bool = False) -> None:
        """Somebody sends from there under this key. Unless that is known, they are asked to prove it.

        An ``overheard`` address is the weaker word: it moves no known node, and any other moves its node.
        """
        known = self.table.get(contact.node_id)
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
        if self._requests.overloaded():
            return True  # Unasked is not silent.
        proved = await self._requests.ping(node.contact.address, node.id)
        if proved is None:
            self.unanswered(node.contact)
            return False
        if not proved.at_home:
            self.stats["nodes_moved"] += 1
            self.remove(node.contact)
        self.answered(node.contact, node.public_key, proved.claim)
        return proved.at_home

    def unanswered(self, contact: Contact) -> None:
        """A node did not answer: it is removed and remembered as dead."""
        self.stats["nodes_silent"] += 1
        self.dead.add(contact, self._requests.monotonic())
        self.remove(contact)

    def admit(self, node: KnownNode) -> None:
        """Take a node that has proved its key into the routing table."""
        if node.id == self._requests.identity.peer_id:
            return
        self.dead.forget(node.contact)
        known = self.table.get(node.id)
        if known is not None and known.contact != node.contact:
            self.stats["nodes_moved"] += 1
            self.remove(known.contact)
        self.table.add_contact(node)
        if node.public_key in self._matchers:
            self.matcher_nodes[node.id] = node

    def nearest_matchers(self, key: PeerId) -> list[Contact]:
        """The nearest nodes of matchers. Ids can be ground to lie next to any key, but not these."""
        near = sorted(self.matcher_nodes.values(), key=lambda node: xor_distance(node.id, key))
        return [node.contact for node in near[: self._requests.config.matcher_contacts]]

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
            self.refusals.count(Scope.DHT, "moves_refused")
            return
        node = await self._requests.locate(contact.address, contact.node_id)
        if node is None:
            self.refusals.count(Scope.DHT, "nodes_unproved")
        else:
            node.overheard = overheard
            self.admit(node)

    async def _try(self, node: KnownNode) -> None:
        await self.still_there(node)

    def _start(self, contact: Contact, work: Any, is_matcher: bool) -> None:
        room = self._requests.config.verify_cap if is_matcher else self._requests.config.verify_cap // 2
        full = len(self._verifying) >= room
        if full or contact.node_id in self._verifying:
            if full:
                self.refusals.count(Scope.DHT, "verifications_skipped")
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

    def remove(self, contact: Contact) -> None:
        known = self.table.get(contact.node_id)
        if known is not None and known.contact == contact:
            self.table.remove_contact(known)
        held = self.matcher_nodes.get(contact.node_id)
        if held is not None and held.contact == contact:
            del self.matcher_nodes[contact.node_id]

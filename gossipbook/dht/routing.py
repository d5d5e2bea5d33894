"""The routing table: kademlia's buckets, with exact answers, a bound, and no calls of its own."""

import heapq
from typing import Protocol

from kademlia.node import Node
from kademlia.routing import RoutingTable

from gossipbook.dht.datagram import Address, Contact
from gossipbook.ids import PeerId, PublicKey, xor_distance

BUCKETS_CAP = 160  # One for each bit; times k nodes and 5 k replacements, that bounds the table.


class KnownNode(Node):  # type: ignore[misc]  # kademlia is untyped
    """A node that has proved its key from its address, and when it was last heard of (monotonic seconds).

    ``claim`` is the address where the proof itself says that the node wants to be contacted.
    """

    def __init__(self, contact: Contact, public_key: PublicKey, heard_at: float, claim: Address | None = None) -> None:
        super().__init__(contact.node_id, contact.host, contact.port)
        self.contact = contact
        self.public_key = public_key
        self.heard_at = heard_at
        self.claim = claim
        self.overheard = False  # Whether the address is only where a request seemed to come from.

    @property
    def at_home(self) -> bool:
        """Whether the node wants to be contacted where it proved itself."""
        return self.claim is None or self.claim == self.contact.address


class NodeTester(Protocol):
    """Something that can find out whether a node still answers."""

    def try_soon(self, node: KnownNode) -> None: ...


class BoundedRoutingTable(RoutingTable):  # type: ignore[misc]  # kademlia is untyped
    """Buckets of k nodes, of which only the one that holds our own id is split.

    The stock table also splits others, which lets somebody with many ids make it grow, and its ``find_neighbors``
    takes the first k nodes of a walk over the buckets, which are not always the k nearest.
    """

    protocol: NodeTester

    def get(self, node_id: PeerId) -> KnownNode | None:
        """The node under this id, in use or in reserve."""
        bucket = self.buckets[self.get_bucket_for(Node(node_id))]
        known: KnownNode | None = bucket[node_id] or bucket.replacement_nodes.get(node_id)
        return known

    def touch(self, node: KnownNode) -> None:
        """Move a node that was heard of to the recent end of its bucket."""
        bucket = self.buckets[self.get_bucket_for(node)]
        if bucket[node.id] is node:
            bucket.add_node(node)

    def nodes(self) -> list[KnownNode]:
        return [node for bucket in self.buckets for node in bucket.get_nodes()]

    def nearest(self, key: PeerId, count: int) -> list[KnownNode]:
        return heapq.nsmallest(count, self.nodes(), key=lambda node: xor_distance(node.id, key))

    def find_neighbors(self, node: Node, k: int | None = None, exclude: Node | None = None) -> list[KnownNode]:
        near = self.nearest(node.id, (k or self.ksize) + 2)
        near = [n for n in near if n.id != node.id and (exclude is None or not n.same_home_as(exclude))]
        return near[: k or self.ksize]

    def add_contact(self, node: KnownNode) -> None:
        """Add a node. A full bucket keeps it in reserve and has its least recently heard node tried."""
        while True:
            index = self.get_bucket_for(node)
            bucket = self.buckets[index]
            if bucket.add_node(node):
                return
            if not bucket.has_in_range(self.node) or len(self.buckets) >= BUCKETS_CAP:
                self.protocol.try_soon(bucket.head())
                return
            self.split_bucket(index)

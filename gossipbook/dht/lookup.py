"""What a node does for its own program: join, announce, look up, refresh. Runs on the asyncio loop."""

import asyncio
import os
from collections.abc import Sequence

from gossipbook.dht import datagram
from gossipbook.dht.crawl import Crawl, Learn
from gossipbook.dht.datagram import Address, Contact
from gossipbook.dht.protocol import DhtProtocol
from gossipbook.dht.records import ProviderRecord, RecordError
from gossipbook.dht.table import ProviderTable
from gossipbook.ids import PEER_ID_BYTES, PeerId, PublicKey, peer_id, xor_distance
from gossipbook.ordered import BoundedDict
from gossipbook.refusals import Scope


class Discovery:
    """Look-ups and announcements over one :class:`DhtProtocol`."""

    def __init__(self, protocol: DhtProtocol, matchers: Sequence[PublicKey]) -> None:
        self._protocol = protocol
        self._config = protocol.config
        self._matchers = matchers
        self._seeds: BoundedDict[Address, None] = BoundedDict(self._config.seeds_cap)
        self._targets: BoundedDict[PeerId, tuple[float, list[Contact]]] = BoundedDict(self._config.targets_cap)

    async def join(self, addresses: Sequence[Address]) -> int:
        """Ping the addresses and, from those that answer, find the nodes near our own id."""
        for address in addresses:
            self._seeds[address] = None
        answers = await asyncio.gather(*(self._protocol.requests.locate(address) for address in addresses))
        nodes = [node for node in answers if node is not None]
        for node in nodes:
            self._protocol.nodes.admit(node)
        if nodes:
            await self._nearest(self._protocol.identity.peer_id)
            await self._protocol.nodes.verified()
        return len(nodes)

    async def refresh(self) -> None:
        """Drop nodes that fell silent, meet new ones near our id and anywhere, or join again if none is left."""
        protocol, config = self._protocol, self._config
        before = protocol.monotonic() - config.heartbeat_s
        quiet = sorted((n for n in protocol.router.nodes() if n.heard_at < before), key=lambda node: node.heard_at)
        await asyncio.gather(*(protocol.nodes.still_there(node) for node in quiet[: config.pings_per_refresh]))
        if not protocol.router.nodes():
            await self.join([address for address, _ in self._seeds.items()])
            return
        for node in protocol.router.nearest(protocol.identity.peer_id, config.k):
            self._seeds[node.contact.address] = None
        await self._nearest(protocol.identity.peer_id)
        await self._nearest(os.urandom(PEER_ID_BYTES))

    async def store_all(self, records: Sequence[tuple[PeerId, bytes]], *, everywhere: bool = False) -> list[int]:
        """Store signed records, each at the nodes nearest to its key; for each, how many took it."""
        return await asyncio.gather(*(self._store(key, raw, everywhere) for key, raw in records))

    async def find_providers(self, key: PeerId) -> list[ProviderRecord]:
        """The union of all valid records, nearest signer first; neither withdrawn nor expired ones."""
        protocol = self._protocol
        found = ProviderTable(self._config.table, matchers=self._matchers)
        for record, raw in protocol.storage.table.records(key, protocol.monotonic()):
            found.put(record, raw, protocol.monotonic())

        async def query(contact: Contact, learn: Learn) -> bool:
            return await self._read_pages(contact, key, found, learn)

        await Crawl(protocol, key, protocol.nodes.nearest_matchers(key), query).find()
        records = [record for record, _ in found.records(key, protocol.monotonic()) if not record.withdrawn]
        return sorted(records, key=lambda record: xor_distance(peer_id(record.public_key), key))

    async def _read_pages(self, contact: Contact, key: PeerId, found: ProviderTable, learn: Learn) -> bool:
        cursor = b""
        for _ in range(self._config.pages_per_node):
            answer = await self._protocol.ask(
                contact,
                datagram.FIND_PROVIDERS,
                [key, cursor],
                lambda results: datagram.provider_results(results, contact.address),
            )
            if answer is None:
                return bool(cursor)
            contacts, raws, following = answer
            learn(contacts)
            if not all(self._collect(found, key, raw) for raw in raws) or following in (b"", cursor):
                return True
            cursor = following
        return True

    def _collect(self, found: ProviderTable, key: PeerId, raw: bytes) -> bool:
        """Whether to go on reading from a node that gave this record."""
        try:
            self._protocol.storage.collect(found, key, raw, self._protocol.monotonic())
        except RecordError as error:
            self._protocol.refusals.count(Scope.DHT, f"records_refused:{error.reason}")
            return False
        return True

    async def _store(self, key: PeerId, raw: bytes, everywhere: bool) -> int:
        protocol = self._protocol
        held = self._targets.get(key)
        known = held[1] if held is not None and (everywhere or held[0] > protocol.monotonic()) else []
        taken = await self._store_at(known, key, raw)
        targets = known
        if everywhere or not known or not all(taken):
            targets = await self._holders(key)
            new = [contact for contact in targets if contact not in known]
            taken += await self._store_at(new, key, raw)
        return sum(taken) + (self._is_near(key, targets) and protocol.store_locally(key, raw))

    async def _store_at(self, contacts: Sequence[Contact], key: PeerId, raw: bytes) -> list[bool]:
        stores = (
            self._protocol.ask(contact, datagram.STORE_RECORD, [key, raw], datagram.stored_results)
            for contact in contacts
        )
        return [taken is True for taken in await asyncio.gather(*stores)]

    async def _holders(self, key: PeerId) -> list[Contact]:
        """The nodes to store a key's records at: the k nearest, and the nearest matchers."""
        nearest = await self._nearest(key)
        pinned = [contact for contact in self._protocol.nodes.nearest_matchers(key) if contact not in nearest]
        self._targets[key] = (self._protocol.monotonic() + self._config.targets_s, nearest + pinned)
        return nearest + pinned

    async def _nearest(self, key: PeerId) -> list[Contact]:
        async def query(contact: Contact, learn: Learn) -> bool:
            contacts = await self._protocol.ask(
                contact,
                datagram.FIND_NODE,
                [key],
                lambda results: datagram.node_results(results, contact.address),
            )
            if contacts is not None:
                learn(contacts)
            return contacts is not None

        return await Crawl(self._protocol, key, (), query).find()

    def _is_near(self, key: PeerId, contacts: Sequence[Contact]) -> bool:
        own = xor_distance(self._protocol.identity.peer_id, key)
        nearer = sum(xor_distance(contact.node_id, key) < own for contact in contacts)
        return nearer < self._config.k

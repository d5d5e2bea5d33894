"""The iterative look-up, without waiting for the dead in turn.

Stock kademlia asks ``alpha`` nodes, waits for all of them, and asks the next ones: each round with a dead
node in it costs a whole timeout. Here a query that is silent for ``stall_s`` frees its place and no longer
counts as one of the k nearest, so that the nodes behind it are asked meanwhile. All timeouts of a crawl thus
run side by side.
"""

import asyncio
import bisect
from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import Enum

from kademlia.crawling import SpiderCrawl
from kademlia.node import Node

from gossipbook.dht.datagram import Contact
from gossipbook.dht.protocol import DhtProtocol
from gossipbook.ids import PeerId, xor_distance

CANDIDATES_CAP = 256
ADDRESSES_PER_ID = 2  # A wrong address spread for a node must not hide the right one.

Learn = Callable[[Iterable[Contact]], None]
Query = Callable[[Contact, Learn], Awaitable[bool]]
"""Ask one node, hand the nodes it names to ``Learn`` as soon as they are known; whether it answered."""


class State(Enum):
    NEW = "new"
    ASKED = "asked"
    STALLED = "stalled"
    ANSWERED = "answered"
    FAILED = "failed"


class Shortlist:
    """Candidates by distance, at most ``CANDIDATES_CAP``: the farthest one not asked yet makes room."""

    def __init__(self, target: PeerId, k: int) -> None:
        self._target, self._k = target, k
        self._order: list[tuple[int, Contact]] = []
        self._states: dict[Contact, State] = {}
        self._addresses: dict[PeerId, int] = {}

    def push(self, contact: Contact) -> None:
        if contact in self._states or self._addresses.get(contact.node_id, 0) >= ADDRESSES_PER_ID:
            return
        bisect.insort(self._order, (xor_distance(contact.node_id, self._target), contact))
        self._states[contact] = State.NEW
        self._addresses[contact.node_id] = self._addresses.get(contact.node_id, 0) + 1
        if len(self._order) > CANDIDATES_CAP:
            self._drop_farthest()

    def mark(self, contact: Contact, state: State) -> None:
        self._states[contact] = state

    def state(self, contact: Contact) -> State | None:
        return self._states.get(contact)

    def next(self) -> Contact | None:
        """The nearest node not asked yet, if it may still be one of the k nearest live ones."""
        live = 0
        for _, contact in self._order:
            state = self._states[contact]
            if state is State.NEW:
                return contact
            live += state in (State.ASKED, State.ANSWERED)
            if live >= self._k:
                return None
        return None

    def settled(self) -> bool:
        """Whether the k nearest that answered are known, and nothing nearer may still answer."""
        answered = 0
        for _, contact in self._order:
            state = self._states[contact]
            if state is not State.ANSWERED and state is not State.FAILED:
                return False
            answered += state is State.ANSWERED
            if answered >= self._k:
                return True
        return True

    def answered(self) -> list[Contact]:
        return [c for _, c in self._order if self._states[c] is State.ANSWERED][: self._k]

    def _drop_farthest(self) -> None:
        for index in range(len(self._order) - 1, -1, -1):
            contact = self._order[index][1]
            if self._states[contact] is State.NEW:
                del self._order[index], self._states[contact]
                self._addresses[contact.node_id] -= 1
                return


class Crawl(SpiderCrawl):  # type: ignore[misc]  # kademlia is untyped
    """Ask ever nearer nodes until the k nearest live ones have answered.

    ``pinned`` nodes are asked in any case. The crawl asks at most ``contacts_per_crawl`` nodes and ends at
    ``lookup_timeout_s`` with what it has.
    """

    protocol: DhtProtocol

    def __init__(self, protocol: DhtProtocol, key: PeerId, pinned: Collection[Contact], query: Query) -> None:
        config = protocol.config
        super().__init__(protocol, Node(key), [], config.k, config.alpha)
        self._config = config
        self._query = query
        self._pinned = list(pinned)
        self._running: dict[asyncio.Task[bool], Contact] = {}
        self._stall_at: dict[Contact, float] = {}
        self._depth: dict[Contact, int] = {}
        self._asked = 0
        self.timeouts_in_a_row = 0
        self.nearest = Shortlist(key, config.k)
        self.learn(node.contact for node in protocol.router.nearest(key, config.k))
        self.learn(self._pinned)

    def learn(self, contacts: Iterable[Contact]) -> None:
        now = self.protocol.monotonic()
        for contact in contacts:
            if contact.node_id != self.protocol.source_node.id and not self.protocol.nodes.dead.has(contact, now):
                self.nearest.push(contact)

    async def find(self) -> list[Contact]:
        """The k nearest nodes that answered, nearest first."""
        deadline = self.protocol.monotonic() + self._config.lookup_timeout_s
        try:
            for contact in self._pinned:
                if self.nearest.state(contact) is State.NEW:
                    self._ask(contact)
            while True:
                self._fill()
                waiting = self._worth_waiting_for()
                now = self.protocol.monotonic()
                if not waiting or now >= deadline:
                    break
                wake = min([deadline, *(at for at in self._stall_at.values() if at > now)])
                done, _ = await asyncio.wait(waiting, timeout=wake - now, return_when=asyncio.FIRST_COMPLETED)
                self._settle(done)
                self._stall()
        finally:
            await self._stop()
        stats = self.protocol.stats
        stats["crawls"] += 1
        stats["crawl_timeouts_in_a_row_max"] = max(stats["crawl_timeouts_in_a_row_max"], self.timeouts_in_a_row)
        return self.nearest.answered()

    def _fill(self) -> None:
        while (
            len(self._stall_at) < self.alpha
            and self._asked < self._config.contacts_per_crawl
            and (contact := self.nearest.next()) is not None
        ):
            self._ask(contact)

    def _ask(self, contact: Contact) -> None:
        self._asked += 1
        self.nearest.mark(contact, State.ASKED)
        self._stall_at[contact] = self.protocol.monotonic() + self._config.stall_s
        self._depth[contact] = self.timeouts_in_a_row + 1
        self._running[asyncio.ensure_future(self._one(contact))] = contact

    async def _one(self, contact: Contact) -> bool:
        def learn(contacts: Iterable[Contact]) -> None:
            self.nearest.mark(contact, State.ANSWERED)
            self._stall_at.pop(contact, None)
            self.learn(contacts)

        return await self._query(contact, learn)

    def _worth_waiting_for(self) -> set["asyncio.Task[bool]"]:
        """All queries, or, once the k nearest are known, the pinned ones and those that still bring records."""
        if not self.nearest.settled():
            return set(self._running)
        return {
            task
            for task, contact in self._running.items()
            if contact in self._pinned or self.nearest.state(contact) is State.ANSWERED
        }

    def _settle(self, done: Iterable["asyncio.Task[bool]"]) -> None:
        for task in done:
            contact = self._running.pop(task)
            self._stall_at.pop(contact, None)
            if task.result():
                self.nearest.mark(contact, State.ANSWERED)
            elif self.nearest.state(contact) is not State.ANSWERED:
                self.nearest.mark(contact, State.FAILED)
                self.timeouts_in_a_row = max(self.timeouts_in_a_row, self._depth[contact])

    def _stall(self) -> None:
        now = self.protocol.monotonic()
        for contact, at in list(self._stall_at.items()):
            if at <= now:
                del self._stall_at[contact]
                self.nearest.mark(contact, State.STALLED)

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

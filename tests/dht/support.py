"""What the DHT's tests share: a wall clock to set, a swarm of nodes on loopback, and a node that misbehaves."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import trio

from gossipbook.dht import ProviderRecord, datagram, sign_record
from gossipbook.dht.datagram import Address, Reply, Request
from gossipbook.dht.node import DhtNode, open_dht
from gossipbook.dht.protocol import DOMAIN_PONG
from gossipbook.identity import Identity
from gossipbook.ids import digest, xor_distance

CHAIN = digest(b"test", b"a network")
NETWORK = datagram.network_of(CHAIN)
KEY = digest(b"test", b"a pair")[:20]
LOOPBACK = ("127.0.0.1", 0)


def identity(number: int) -> Identity:
    return Identity(digest(b"test-key", number.to_bytes(4, "big")))


class Wall:
    """A wall clock that stands still until it is set."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


def record(who: Identity, key: bytes = KEY, **changes: Any) -> ProviderRecord:
    return ProviderRecord(key, who.public_key, **changes)


def signed(who: Identity, wall: Wall, key: bytes = KEY, chain: bytes = CHAIN, **changes: Any) -> bytes:
    """A record as a remote would send it."""
    fields = {"sequence": wall.ms, "expires_ms": wall.ms + 30_000, "addresses": ("ws://127.0.0.1:4000",)}
    return sign_record(who, chain, record(who, key, **(fields | changes)))


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Poll on the test's virtual clock, which moves on only when nothing else is left to do."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110  # What is waited for is the node's own state.
            await trio.sleep(within_s / 200)


class Swarm:
    """Nodes by number, each in a task of its own, so that they can end in any order."""

    def __init__(self, nursery: trio.Nursery, wall: Wall) -> None:
        self.wall = wall
        self.nodes: dict[int, DhtNode] = {}
        self._nursery = nursery
        self._ends: dict[int, tuple[trio.Event, trio.Event]] = {}

    async def start(self, number: int, bootstrap: Sequence[Address] = (), **options: Any) -> DhtNode:
        node: DhtNode = await self._nursery.start(self._live, number, list(bootstrap), options)
        return node

    async def grow(self, count: int, **options: Any) -> list[DhtNode]:
        """``count`` nodes that all join through the first."""
        for number in range(count):
            await self.start(number, [self.nodes[0].address] if self.nodes else [], **options)
        return list(self.nodes.values())

    async def kill(self, number: int) -> None:
        """End a node without a word to the others."""
        del self.nodes[number]
        end, ended = self._ends.pop(number)
        end.set()
        await ended.wait()

    def by_distance(self, key: bytes = KEY) -> list[int]:
        return sorted(self.nodes, key=lambda number: xor_distance(identity(number).peer_id, key))

    async def _live(
        self, number: int, bootstrap: list[Address], options: dict[str, Any], task_status: trio.TaskStatus[DhtNode]
    ) -> None:
        defaults: dict[str, Any] = {"chain_id": CHAIN, "listen": LOOPBACK, "wall_ms": self.wall}
        end, ended = self._ends[number] = (trio.Event(), trio.Event())
        try:
            async with open_dht(identity=identity(number), bootstrap=bootstrap, **(defaults | options)) as node:
                self.nodes[number] = node
                task_status.started(node)
                await end.wait()
        finally:
            ended.set()


class Rogue:
    """A socket that speaks the protocol and does what it is told to, right or wrong."""

    opened: ClassVar[list[trio.socket.SocketType]] = []  # Closed by the swarm's fixture.

    def __init__(self, who: Identity, sock: trio.socket.SocketType, *, claim: bytes | None = None) -> None:
        self.identity = who
        self.public_key = claim or who.public_key  # What it says it is. It signs with its own key all the same.
        self.socket = sock
        self.address: Address = sock.getsockname()
        self.answers: Callable[[Request, Address], list[Any] | bytes | None] = self.honest

    @classmethod
    async def open(cls, number: int, *, claim: bytes | None = None, port: int = 0) -> "Rogue":
        sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        await sock.bind(("127.0.0.1", port))
        cls.opened.append(sock)
        return cls(identity(number), sock, claim=claim)

    def request(self, method: str, arguments: list[Any]) -> bytes:
        return datagram.encode_request(NETWORK, Request(os.urandom(16), self.public_key, method, arguments))

    async def send(self, raw: bytes, to: DhtNode) -> None:
        await self.socket.sendto(raw, to.address)

    async def ask(self, to: DhtNode, method: str, *arguments: Any) -> list[Any]:
        """The results of a request, answering meanwhile what the node asks in return."""
        raw = self.request(method, list(arguments))
        await self.send(raw, to)
        with trio.fail_after(5):
            while True:
                incoming, sender = await self.socket.recvfrom(65_536)
                message = datagram.decode(incoming, NETWORK)
                if isinstance(message, Reply):
                    assert len(incoming) < 3 * max(len(raw), datagram.MIN_FIND_BYTES)
                    return message.results
                await self.answer(message, sender)

    async def serve(self) -> None:
        while True:
            incoming, sender = await self.socket.recvfrom(65_536)
            message = datagram.decode(incoming, NETWORK)
            if isinstance(message, Request):
                await self.answer(message, sender)

    async def answer(self, request: Request, sender: Address) -> None:
        content = self.answers(request, sender)
        if isinstance(content, list):
            content = datagram.encode_reply(NETWORK, Reply(request.message_id, self.public_key, content))
        if content is not None:
            await self.socket.sendto(content, sender)

    def honest(self, request: Request, _: Address) -> list[Any]:
        """What a node that knows nobody and nothing answers."""
        if request.method == datagram.PING:
            return [self.identity.sign(DOMAIN_PONG, CHAIN, request.message_id + request.public_key)]
        return {datagram.FIND_NODE: [[]], datagram.FIND_PROVIDERS: [[], [], b""]}.get(request.method, [True])


def signers(records: list[ProviderRecord]) -> set[bytes]:
    return {item.public_key for item in records}


def known_ids(node: DhtNode, swarm: Swarm) -> set[int]:
    """The numbers of the swarm's nodes that ``node`` would save as good."""
    good = set(node.good_nodes())
    return {number for number, other in swarm.nodes.items() if other.address in good}

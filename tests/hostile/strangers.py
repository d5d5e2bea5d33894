"""A program of strangers who send all kinds of messages, valid and not, to the peers of a network.

    python -m hostile.strangers NETWORK_TOML ADDRESS[,ADDRESS…] HOW_MANY SECONDS CORES

Together they use at most so many cores; each has a link to one peer after another, as a peer or as a client, and keys
of its own. At the end it says what was sent, as JSON by kind.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import trio

from gossipbook import client_messages as q
from gossipbook.consensus import messages as c
from gossipbook.consensus.certificate import Timeout, Vote
from gossipbook.consensus.committee import PREPARE, Committee
from gossipbook.crdt.author_log import FrontierEntry
from gossipbook.crdt.messages import AskHeld, Frontier, Held
from gossipbook.crdt.op import GENESIS_PREV, Evidence, Op, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.errors import GossipbookError
from gossipbook.gossip import messages as g
from gossipbook.identity import Identity
from gossipbook.ids import ZERO_DIGEST
from gossipbook.manifest import Manifest
from gossipbook.matching.commands import CancelAll, Command, OrderType, Place, Side, TimeInForce
from gossipbook.net.address import parse_address
from gossipbook.net.transport import Channel, dial, shake_hands
from gossipbook.wire.codec import encode_message
from gossipbook.wire.framing import join_frame
from gossipbook.wire.handshake import Handshake, Role
from gossipbook.wire.link_messages import Ping

AGAIN_S = 1.0
BATCH = 8
QUESTIONS = (
    ("status",),
    ("peers",),
    ("members",),
    ("manifest",),
    ("pair", "{pair}"),
    ("book", "{pair}", "500"),
    ("order", "{pair}", "{key}", "1"),
    ("head", "{pair}", "{key}"),
    ("receipt", "{pair}", "{key}", "1", "0"),
    ("explain", "{pair}", "{key}", "1"),
    ("orders", "{pair}", "{key}", "all", "", "", "200"),
    ("fills", "{pair}", "{key}", "0", "", "200"),
    ("find", "{pair}", "{key}", "~" * 36),
    ("statement", "", "{key}", "t1700000000000"),
    ("trades", "{pair}", "", "", "200"),
    ("candles", "{pair}", "1s", "", "", "1000"),
    ("nothing",),
    ("book",),
)


class Trickster:
    """One stranger's keys, and what it makes of them."""

    def __init__(self, manifest: Manifest, rng: random.Random) -> None:
        self.manifest = manifest
        self.pair = manifest.symbols()[0]
        self.rng = rng
        self.committee = Committee.of(manifest, manifest.chain_id, self.pair)
        self.key = Identity(rng.randbytes(32))
        self._seq, self._head, self._orders = 0, GENESIS_PREV, 0

    # -- ops ----------------------------------------------------------------------------------------

    def order(self, client_id: int, price: int = 10) -> Command:
        return Place(client_id, Side.BUY, OrderType.LIMIT, price, 1, TimeInForce.GTC)

    def first_op(self, key: Identity, seq: int = 0, *orders: Command) -> Op:
        """A key's first op; or, at another place, one that nothing comes before."""
        expiry_ms = opening_expiry_ms(time.time_ns() // 10**6, self.manifest.limits.author_retention_ms)
        orders = orders or (self.order(1),)
        return sign_op(key, self.manifest.chain_id, self.pair, seq, GENESIS_PREV, orders, expiry_ms)

    def newcomer(self, seq: int = 0) -> Op:
        return self.first_op(Identity(self.rng.randbytes(32)), seq)

    def next_op(self) -> Op:
        """The stranger's own next op: orders that rest, and now and then a cancel of them all."""
        self._orders += 1
        command: Command = CancelAll(0) if self._orders % 20 == 0 else self.order(self._orders)
        if self._seq:
            op = sign_op(self.key, self.manifest.chain_id, self.pair, self._seq, self._head, [command], 0)
        else:
            op = self.first_op(self.key, 0, command)
        self._seq, self._head = self._seq + 1, op.id
        return op

    def forged(self) -> Op:
        op = self.newcomer()
        return Op(**{name: getattr(op, name) for name in Op.__slots__ if name != "signature"}, signature=bytes(64))

    def evidence(self) -> Evidence:
        key = Identity(self.rng.randbytes(32))
        sizes = (self.rng.choice((1, 100)), self.rng.choice((1, 100)))
        ops = [
            self.first_op(key, 0, *(self.order(1_000 * salt + n) for n in range(size)))
            for salt, size in enumerate(sizes, 1)
        ]
        return self.evidence_of(ops)

    def evidence_of(self, ops: list[Op]) -> Evidence:
        return Evidence(*sorted(ops, key=lambda op: op.id))

    # -- messages -----------------------------------------------------------------------------------

    def ids(self, count: int) -> tuple[bytes, ...]:
        return tuple(self.rng.randbytes(32) for _ in range(count))

    def push(self, *items: Op | Evidence) -> g.Push:
        return g.Push(self.pair, encode_message(c.Bodies(self.pair, items)))

    def of_a_peer(self) -> Iterator[Callable[[], Any]]:
        """Whatever a peer link can carry."""
        pair, rng, ids = self.pair, self.rng, self.ids
        height = lambda: rng.choice((0, 1, 10, 10**9))  # noqa: E731
        entry = lambda key: FrontierEntry(key, 1, ZERO_DIGEST, False)  # noqa: E731
        vote = lambda: Vote(PREPARE, rng.randrange(9), rng.randrange(99), rng.randbytes(32), 1, rng.randbytes(64))  # noqa: E731
        timeout = lambda: Timeout(rng.randrange(9), 0, self.committee.genesis, None, ZERO_DIGEST, 1, rng.randbytes(64))  # noqa: E731
        yield lambda: g.Subscribe((pair,))
        yield lambda: g.Graft(pair)
        yield lambda: g.Prune(pair, rng.randrange(100))
        yield lambda: g.IHave(pair, ids(rng.choice((1, 500))))
        yield lambda: g.IWant(ids(rng.choice((1, 500))))
        yield lambda: self.push(self.next_op())
        yield lambda: self.push(self.newcomer())
        yield lambda: self.push(self.newcomer(seq=rng.randrange(1, 9)))
        yield lambda: self.push(self.evidence())
        yield lambda: self.push(self.forged())
        yield lambda: g.Push(pair, rng.randbytes(200))
        yield lambda: g.Push(pair, encode_message(c.CastVote(pair, 0, vote())))
        yield lambda: c.CastVote(pair, 0, vote())
        yield lambda: c.GiveUp(pair, 0, timeout(), None, None, ids(200))
        yield lambda: c.Status(pair, 0, height(), rng.randbytes(32), height(), rng.randbytes(32), True)
        yield lambda: c.Sync(pair, 0, height())
        yield lambda: c.Fetch(pair, ids(rng.choice((1, 400))))
        yield lambda: c.Bodies(pair, (self.newcomer(), self.newcomer(seq=3)))
        yield lambda: c.FetchBlock(pair, 0, rng.randbytes(32))
        yield lambda: c.BlockBody(pair, 0, rng.randbytes(100))
        yield lambda: c.AskVotes(pair, 0)
        yield lambda: c.OwnVotes(pair, 0, (vote(),), None)
        yield lambda: Frontier(pair, b"", b"", (), rng.random() < 0.5)
        yield lambda: Frontier(pair, b"", b"", tuple(map(entry, sorted(ids(100)))), False)
        yield lambda: AskHeld(pair, ids(rng.choice((1, 400))))
        yield lambda: Held(pair, ids(100))
        yield lambda: Ping(1)

    def of_a_client(self) -> Iterator[Callable[[], Any]]:
        """Whatever a client's link can carry."""
        pair, rng = self.pair, self.rng
        yield lambda: q.Submit(self.next_op())
        yield lambda: q.Submit(self.newcomer())
        yield lambda: q.Submit(self.newcomer(seq=rng.randrange(1, 9)))
        yield lambda: q.Submit(self.forged())
        yield lambda: q.Follow(pair)
        yield lambda: q.Unfollow(pair)
        yield lambda: q.Watch(pair)
        yield lambda: q.WatchProven(pair)
        yield lambda: q.AskAuthor(pair, self.key.public_key, 0)
        yield lambda: q.AskBlock(pair, rng.randrange(1, 50))
        yield lambda: c.Sync(pair, 0, 1)
        yield lambda: Ping(1)
        for what, *arguments in QUESTIONS:
            yield lambda what=what, arguments=arguments: self.question(what, arguments)

    def question(self, what: str, arguments: list[str]) -> q.Query:
        words = {"pair": self.pair, "key": self.key.public_key.hex()}
        return q.Query(self.rng.randrange(2**31), what, tuple(argument.format(**words) for argument in arguments))


class Budget:
    """CPU time that all strangers may use together."""

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._began_s = time.monotonic()

    async def wait(self) -> None:
        """Let others have their turn, and wait while more was used than there is."""
        await trio.lowlevel.checkpoint()
        ahead_s = time.process_time() / self._cores - (time.monotonic() - self._began_s)
        if ahead_s > 0:
            await trio.sleep(ahead_s)


async def drain(channel: Channel) -> None:
    """Read whatever comes, so that nobody can say that we are too slow."""
    while True:
        await channel.receive()


async def be_strange(manifest: Manifest, addresses: list[str], number: int, budget: Budget, sent: Counter[str]) -> None:
    rng = random.Random(number)
    trickster = Trickster(manifest, rng)
    for turn in range(10**9):
        role = Role.CLIENT if (number + turn) % 2 else Role.PEER
        kinds = list(trickster.of_a_client() if role is Role.CLIENT else trickster.of_a_peer())
        address = addresses[(number // 2 + turn) % len(addresses)]  # Both roles everywhere.
        try:
            async with dial(parse_address(address)) as channel:
                nonce = os.urandom(32)
                await shake_hands(
                    channel, Handshake(trickster.key, manifest.chain_id, dialled=True, nonce=nonce, role=role)
                )
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drain, channel)
                    while True:
                        make = rng.choice(kinds)
                        messages = [make() for _ in range(rng.randrange(1, BATCH))]
                        sent[type(messages[0]).__name__] += len(messages)
                        await channel.send(join_frame(map(encode_message, messages)))
                        await budget.wait()
        except* GossipbookError as group:
            sent["links lost"] += 1
            sent[f"lost: {str(group.exceptions[0])[:60]}"] += 1
        await trio.sleep(AGAIN_S)


async def main(manifest: Manifest, addresses: str, count: str, seconds: str, cores: str) -> None:
    budget, sent = Budget(float(cores)), Counter[str]()
    with trio.move_on_after(float(seconds)):
        async with trio.open_nursery() as nursery:
            for number in range(int(count)):
                nursery.start_soon(be_strange, manifest, addresses.split(","), number, budget, sent)
    print(json.dumps(sent))


if __name__ == "__main__":
    trio.run(main, Manifest.from_toml(Path(sys.argv[1]).read_text(encoding="utf-8")), *sys.argv[2:])

"""An honest network beside an author's driver, without sockets: what it is sent it certifies, and it answers truly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from consensus.kit import SEATS, SYMBOL

from gossipbook.client_messages import Ack, AckLevel, AskAuthor, AskBlock, Submit
from gossipbook.crdt.op import Op
from gossipbook.effects import Lane
from gossipbook.trade.author_driver import AuthorDriver
from gossipbook.trade.author_events import Acked, BlockSeen, LinkUp, WordHeard
from gossipbook.trade.blocks import CheckedBlock

from .bench import AuthorBench


class HonestNetwork:
    """Four seats that hold the same ops; ``sent`` is all that any of them was ever sent, by sequence number."""

    def __init__(self) -> None:
        self.bench = AuthorBench()
        self.sent: dict[int, dict[bytes, Op]] = {}
        self.certified: list[Op] = []

    @property
    def chain_id(self) -> bytes:
        return self.bench.manifest.chain_id

    def take(self, op: Op) -> None:
        """Hold an op; what follows the last certified one goes into blocks of their own."""
        self.sent.setdefault(op.seq, {})[op.id] = op
        while len(self.certified) in self.sent:
            (following,) = self.sent[len(self.certified)].values()  # Two of them would be evidence.
            self.bench.ops[following.id.hex()] = following
            self.bench.certify(following)
            self.certified.append(following)

    def check(self) -> None:
        """No number was ever used twice, and the certified ops follow one another."""
        assert all(len(ops) == 1 for ops in self.sent.values())
        assert [op.seq for op in self.certified] == list(range(len(self.certified)))


@asynccontextmanager
async def driven(driver: AuthorDriver, network: HonestNetwork, seats: str = "ab") -> AsyncIterator[trio.CancelScope]:
    """Drive an author with links to some seats for the length of the block; gives the scope of the driving."""
    send, receive = trio.open_memory_channel[tuple[bytes, object]](100_000)

    async def answer() -> None:
        async for link, message in receive:
            match message:
                case Submit(op):
                    network.take(op)
                    driver.handle(Acked(link, Ack(SYMBOL, op.id, AckLevel.RELAYED, 0, "")))
                    height = network.bench.holders.get(op.id)
                    if height is not None:
                        checked = network.bench.checked(network.bench.proven(height))
                        assert isinstance(checked, CheckedBlock)
                        driver.handle(BlockSeen(checked))
                case AskAuthor():
                    driver.handle(WordHeard(link, network.bench.word()))
                case AskBlock():
                    pass  # Every block came by itself.

    driver.join(network.bench.manifest)
    driving = trio.CancelScope()

    async def drive() -> None:
        with driving:
            await driver.run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        nursery.start_soon(drive)
        for seat in seats:
            link = seat.encode()

            def offer(message: object, _lane: Lane, link: bytes = link) -> None:
                send.send_nowait((link, message))

            key = network.bench.keys[SEATS.index(seat)].public_key
            driver.link_up(LinkUp(link, key, own=False), offer)
        driver.use(SYMBOL)
        yield driving
        nursery.cancel_scope.cancel()
    for seat in seats:
        driver.link_down(seat.encode())

"""One account in one pair, kept up to date from proven blocks: open orders, position, the last orders and fills.

It begins with what peers' archives say as of some height, and goes on with the blocks after that. When blocks were
missed it begins anew, and says so to whoever listens. What is older than it remembers is asked for.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gossipbook.accounts.asking import PAGE_CAP
from gossipbook.accounts.order_state import is_closed
from gossipbook.accounts.rows import FillRow, OrderRow, Sums
from gossipbook.crdt.op import Op
from gossipbook.errors import GossipbookError
from gossipbook.gateway.blocks import PairBlocks
from gossipbook.gateway.network import Network
from gossipbook.gateway.own_orders import OwnOrders, Report, read_order
from gossipbook.gateway.problems import AGAIN_S, Problem
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Side
from gossipbook.matching.events import Accepted, Event, Rejected, StopAccepted
from gossipbook.ordered import BoundedDict
from gossipbook.trade.block_stream import CertifiedBlock
from gossipbook.trade.peer_link import MALFORMED_ANSWER

RECENT_CAP: Final = 1_000
"""Closed orders, and fills, that are remembered."""
LOADS_CAP: Final = 10
LOAD_AGAIN_S: Final = 0.05
READY_S: Final = 10.0
RETRY_S: Final = 1.0
ON_ITS_WAY_S: Final = 0.5
"""How long a block may take from its proof to whoever reads blocks."""
BLOCKS_CAP: Final = 1_024
"""Blocks that wait until the state before them is known."""

log = logging.getLogger("gossipbook.gateway")

FindOp = Callable[[str, int], Awaitable[Op | None]]


@dataclass(frozen=True, slots=True)
class AccountStep:
    """What one block did to an account in a pair; ``restarted``: what was told before may have a gap up to here."""

    pair: str
    height: int
    time_ms: int
    reports: tuple[Report, ...]
    sums: Sums
    restarted: bool = False


class AccountFeed:
    """One author in one pair. ``run`` it in a task, which alone changes what is known.

    ``height``: up to which block all of it is known; -1 while it is not.
    """

    def __init__(self, network: Network, blocks: PairBlocks, author: PublicKey, find_op: FindOp) -> None:
        self.symbol = blocks.symbol
        self.author = author
        self.height = -1
        self.own = OwnOrders(self.symbol, author)
        self.recent: BoundedDict[int, OrderRow] = BoundedDict(RECENT_CAP)  # by client order id, the last of each
        self.fills: deque[FillRow] = deque(maxlen=RECENT_CAP)
        self.listeners: list[Callable[[AccountStep], None]] = []
        self._network = network
        self._find_op = find_op
        self._waiting: deque[tuple[CertifiedBlock, Sequence[Event]]] = deque()
        self._came = asyncio.Event()
        self._moved = asyncio.Event()
        self._least = 0  # what was told already: a state that is older is of no use
        self._begun = False
        blocks.add(self)

    # -- reading ------------------------------------------------------------------------------------

    async def up_to(self, height: int) -> None:
        """Wait until the state is there, and is no older than a height.

        Raises:
            Problem: not soon.
        """
        try:
            async with asyncio.timeout(READY_S):
                while self.height < max(height, 0):
                    moved = self._moved
                    try:
                        await asyncio.wait_for(moved.wait(), ON_ITS_WAY_S)
                    except TimeoutError:
                        self._read_anew(height)  # The block may have come before blocks were read here.
        except TimeoutError:
            told = f"the account is not known up to block {height:,} yet"
            raise Problem(503, "peers-behind", told, again_s=AGAIN_S) from None

    def order(self, client_id: int) -> OrderRow | None:
        """The last order under a client order id, if it is open or was closed not long ago."""
        return self.own.find_open(self.author, client_id) or self.recent.get(client_id)

    def by_text(self, text_id: str) -> OrderRow | None:
        """The last order under a text id, if it is open or was closed not long ago."""
        for row in (*reversed(self.own.open), *reversed([*self.recent.values()])):
            if row.text_id == text_id:
                return row
        return None

    # -- following ----------------------------------------------------------------------------------

    def take(self, block: CertifiedBlock, events: Sequence[Event]) -> None:
        """Take a block; its place is behind those that wait."""
        if len(self._waiting) >= BLOCKS_CAP:
            self._waiting.clear()  # The gap is noticed, and the state read anew.
        self._waiting.append((block, events))
        self._came.set()

    def _read_anew(self, least: int) -> None:
        self._least = max(self._least, least)
        self._came.set()

    async def run(self) -> None:
        """Load the state, follow blocks until some were missed, and begin anew, until cancelled."""
        while True:
            try:
                await self._load()
                await self._follow()
            except (GossipbookError, Problem, *MALFORMED_ANSWER) as error:
                log.warning("an account in %s: %s", self.symbol, error)
                self.height = -1
                await asyncio.sleep(RETRY_S)

    async def _load(self) -> None:
        pair = await self._network.pair(self.symbol)
        for attempt in range(LOADS_CAP):
            position = await pair.position(self.author)
            fills = await pair.fills(self.author)
            last = await pair.orders(self.author)
            rows, heights = await self._open_orders()
            heights |= {position["height"], fills["height"], last["height"]}
            if len(heights) == 1 and min(heights) >= self._least:
                break
            await asyncio.sleep(LOAD_AGAIN_S * (attempt + 1))  # Blocks came in between, or an archive is behind.
        else:
            raise Problem(503, "peers-behind", "blocks come faster than the account can be read", again_s=AGAIN_S)
        names = ("bought_lots", "sold_lots", "bought_quote", "sold_quote")
        sums = Sums(*(position[name] for name in names))
        recent: BoundedDict[int, OrderRow] = BoundedDict(RECENT_CAP)
        for row in (read_order(self.symbol, self.author, each) for each in last["orders"]):
            if is_closed(row):
                recent[row.client_id] = row
        found = deque((read_fill(self.symbol, self.author, each) for each in fills["fills"]), RECENT_CAP)
        self.own, self.recent, self.fills = OwnOrders(self.symbol, self.author, sums, rows), recent, found
        self._reached(position["height"])
        if self._begun:
            self._tell(AccountStep(self.symbol, self.height, 0, (), sums, restarted=True))
        self._begun = True

    async def _open_orders(self) -> tuple[list[OrderRow], set[int]]:
        pair = await self._network.pair(self.symbol)
        rows: list[OrderRow] = []
        heights = set()
        while True:
            after = rows[-1].number if rows else 0
            page = await pair.orders(self.author, only_open=True, after=after)
            heights.add(page["height"])
            rows += [read_order(self.symbol, self.author, row) for row in page["orders"]]
            if len(page["orders"]) < PAGE_CAP:
                return rows, heights

    async def _follow(self) -> None:
        """Apply blocks in order. Returns when one was missed, or something newer than what is known was told."""
        while self.height >= self._least or self._waiting:
            while self._waiting:
                block, events = self._waiting.popleft()
                if block.height > self.height + 1:
                    self._waiting.appendleft((block, events))
                    self.height = -1
                    return
                if block.height == self.height + 1:
                    await self._apply(block, events)
            self._came.clear()
            if self.height >= self._least:
                await self._came.wait()
        self.height = -1

    async def _apply(self, block: CertifiedBlock, events: Sequence[Event]) -> None:
        ops: dict[bytes, Op] = {}
        for event in events:
            if isinstance(event, Accepted | StopAccepted | Rejected) and event.client_id:
                op = await self._find_op(self.symbol, event.client_id)
                if op is not None:
                    ops[op.id] = op
        reports = self.own.report(block.height, block.time_ms, events, list(ops.values()))
        for report in reports:
            self.recent.pop(report.order.client_id)
            if is_closed(report.order):
                self.recent[report.order.client_id] = report.order
            if report.fill is not None:
                self.fills.append(report.fill)
        self._reached(block.height)
        if reports:
            self._tell(AccountStep(self.symbol, block.height, block.time_ms, tuple(reports), self.own.sums))

    def _reached(self, height: int) -> None:
        self.height = height
        self._moved.set()
        self._moved = asyncio.Event()

    def _tell(self, step: AccountStep) -> None:
        for listener in list(self.listeners):
            listener(step)


def read_fill(pair: str, author: PublicKey, row: dict[str, Any]) -> FillRow:
    """A fill as peers tell it, read back; of the sums after it only the position is told."""
    side = Side[row["side"].upper()]
    position = row["position_lots"]
    sums = Sums(bought_lots=max(position, 0), sold_lots=max(-position, 0))
    about = author, row["number"], row["is_maker"], row["client_id"], row["order_number"], int(side)
    terms = row["price_ticks"], row["qty_lots"], row["height"], row["time_ms"]
    return FillRow(pair, *about, *terms, sums, row["text_id"])

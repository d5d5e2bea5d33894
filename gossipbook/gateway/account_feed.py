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

RECENT_CAP: Final = 1_000
"""Closed orders, and fills, that are remembered."""
LOADS_CAP: Final = 10
LOAD_AGAIN_S: Final = 0.05
READY_S: Final = 10.0
ON_ITS_WAY_S: Final = 0.5
"""How long a block may take from its proof to whoever reads blocks."""
BLOCKS_CAP: Final = 1_024
"""Blocks with own events that wait until the state before them is known."""

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
    """One author in one pair. ``run`` it in a task."""

    def __init__(self, network: Network, blocks: PairBlocks, author: PublicKey, find_op: FindOp) -> None:
        self.symbol = blocks.symbol
        self.author = author
        self.own = OwnOrders(self.symbol, author)
        self.recent: BoundedDict[int, OrderRow] = BoundedDict(RECENT_CAP)  # by client order id, the last of each
        self.fills: deque[FillRow] = deque(maxlen=RECENT_CAP)
        self.listeners: list[Callable[[AccountStep], None]] = []
        self._network = network
        self._blocks = blocks
        self._find_op = find_op
        self._early: list[tuple[CertifiedBlock, Sequence[Event]]] = []
        self._height = 0  # up to which the state is known, once it was loaded
        self._loaded = False
        self._least = 0  # what was told already: a state that is older is of no use
        self._begun = False
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()
        self._wanted.set()
        blocks.add(author, self)

    # -- reading ------------------------------------------------------------------------------------

    async def up_to(self, height: int) -> None:
        """Wait until the state is there, and is no older than a height.

        Raises:
            Problem: not soon.
        """
        try:
            async with asyncio.timeout(READY_S):
                while True:
                    await self._ready.wait()
                    if self._height >= height or await self._blocks.reached(height, ON_ITS_WAY_S):
                        return
                    if not self._blocks.covers(height):  # It came before blocks were read here.
                        self._least = max(self._least, height)
                        self.restart()
        except TimeoutError:
            raise Problem(
                503, "peers-behind", f"the account is not known up to block {height:,} yet", again_s=AGAIN_S
            ) from None

    @property
    def height(self) -> int:
        """Up to which block the account is told here."""
        return max(self._height, self._blocks.height)

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

    def restart(self) -> None:
        """Blocks were missed: begin anew."""
        self._ready.clear()
        self._loaded = False
        self._early.clear()
        self._wanted.set()

    def begin(self, height: int) -> None:
        """Blocks are read from this one on: what was loaded must reach up to it."""
        if self._loaded and self._height < height - 1:
            self.restart()

    async def take(self, block: CertifiedBlock, events: Sequence[Event]) -> None:
        """Take a block with events about the author."""
        if self._loaded:
            await self._apply(block, events)
        elif len(self._early) < BLOCKS_CAP:
            self._early.append((block, events))
        else:
            self.restart()

    async def run(self) -> None:
        """Load the state whenever it is needed, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._load()
            except (GossipbookError, Problem) as error:
                log.warning("an account in %s: %s", self.symbol, error)
                self._wanted.set()
                await asyncio.sleep(1.0)

    async def _load(self) -> None:
        pair = await self._network.pair(self.symbol)
        for attempt in range(LOADS_CAP):
            position = await pair.position(self.author)
            fills = await pair.fills(self.author)
            last = await pair.orders(self.author)
            rows, heights = await self._open_orders()
            heights |= {position["height"], fills["height"], last["height"]}
            if len(heights) == 1 and min(heights) >= max(self._least, self._blocks.first - 1):
                break
            await asyncio.sleep(LOAD_AGAIN_S * (attempt + 1))  # Blocks came in between.
        else:
            raise Problem(503, "peers-behind", "blocks come faster than the account can be read", again_s=AGAIN_S)
        names = ("bought_lots", "sold_lots", "bought_quote", "sold_quote")
        sums = Sums(*(position[name] for name in names))
        self.own = OwnOrders(self.symbol, self.author, sums, rows)
        self.recent = BoundedDict(RECENT_CAP)
        for row in (read_order(self.symbol, self.author, each) for each in last["orders"]):
            if is_closed(row):
                self.recent[row.client_id] = row
        self.fills = deque((read_fill(self.symbol, self.author, each) for each in fills["fills"]), RECENT_CAP)
        self._height = position["height"]
        self._loaded = True
        early, self._early = self._early, []
        if self._begun:
            self._tell(AccountStep(self.symbol, self._height, 0, (), sums, restarted=True))
        self._begun = True
        for block, events in early:
            await self._apply(block, events)
        self._ready.set()

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

    async def _apply(self, block: CertifiedBlock, events: Sequence[Event]) -> None:
        if block.height <= self._height:
            return
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
        self._height = block.height
        self._tell(AccountStep(self.symbol, block.height, block.time_ms, tuple(reports), self.own.sums))

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

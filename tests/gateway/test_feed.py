"""One account's feed: each block counts once, whatever was missed and however far peers' archives are behind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from gossipbook.accounts.asking import fill_row, order_row, position_row
from gossipbook.accounts.rows import FillRow
from gossipbook.gateway import account_feed
from gossipbook.gateway.account_feed import AccountFeed, AccountStep
from gossipbook.gateway.blocks import PairBlocks
from gossipbook.gateway.live_candle import LiveCandle
from gossipbook.gateway.market import Market, Traded
from gossipbook.gateway.network import Network
from gossipbook.gateway.own_orders import OwnOrders
from gossipbook.gateway.problems import Problem
from gossipbook.matching.commands import Side
from gossipbook.matching.events import Accepted, Event, Fill
from gossipbook.trade.block_stream import CertifiedBlock

PAIR = "BTC-USD"
ME, OTHER = bytes(32), bytes([1]) * 32
WITHIN_S = 10


def history(blocks: int) -> list[list[Event]]:
    """In each block I bid for two and somebody sells me one."""
    made: list[list[Event]] = [[]]
    for height in range(1, blocks + 1):
        number, id_ = 2 * height, height
        entered = Accepted(number, ME, id_, Side.BUY, 100, 2)
        made.append([entered, Fill(number + 1, 100, 1, ME, id_, OTHER, height, Side.SELL)])
    return made


class Archive:
    """A peer's: it knows ``height`` blocks; ``meanwhile`` is called between two answers."""

    def __init__(self, blocks: list[list[Event]], height: int) -> None:
        self.blocks = blocks
        self.height = height
        self.meanwhile: Callable[[], None] = lambda: None

    async def pair(self, _: str) -> "Archive":
        return self

    def _state(self) -> tuple[OwnOrders, list[FillRow]]:
        own, fills = OwnOrders(PAIR, ME), []
        for height in range(1, self.height + 1):
            reports = own.report(height, height * 1_000, self.blocks[height])
            fills += [report.fill for report in reports if report.fill is not None]
        return own, fills

    async def position(self, _: bytes) -> dict[str, Any]:
        told = position_row(PAIR, self._state()[0].sums) | {"height": self.height}
        self.meanwhile()
        return told

    async def fills(self, _: bytes) -> dict[str, Any]:
        told = {"fills": [fill_row(row) for row in self._state()[1]], "height": self.height}
        self.meanwhile()
        return told

    async def orders(self, _: bytes, *, only_open: bool = False, after: int = 0) -> dict[str, Any]:
        rows = [order_row(row) for row in self._state()[0].open] if only_open else []
        return {"orders": [row for row in rows if row["number"] > after], "height": self.height}


class Rig:
    """A feed over an archive, and what its listener was told."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        network = cast(Network, archive)
        self.feed = AccountFeed(network, PairBlocks(network, PAIR), ME, self._find)
        self.steps: list[AccountStep] = []
        self.feed.listeners.append(self.steps.append)

    async def _find(self, _: str, client_id: int) -> None:
        return None

    def take(self, *heights: int) -> None:
        for height in heights:
            events = self.archive.blocks[height]
            self.feed.take(CertifiedBlock(PAIR, height, bytes(32), height * 1_000, tuple(events)), events)

    def events(self) -> list[int]:
        return [report.number for step in self.steps for report in step.reports]

    def check(self, height: int) -> None:
        """The state is what all blocks come to."""
        assert self.feed.height == height
        assert (self.feed.own.sums.bought_lots, len(self.feed.own.open)) == (height, height)
        assert [fill.height for fill in self.feed.fills] == list(range(1, height + 1))


def run(archive: Archive, scenario: Callable[[Rig], Awaitable[None]]) -> None:
    async def bounded() -> None:
        rig = Rig(archive)
        task = asyncio.create_task(rig.feed.run())
        try:
            async with asyncio.timeout(WITHIN_S):
                await scenario(rig)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(bounded())


def test_from_the_first_block() -> None:
    async def scenario(rig: Rig) -> None:
        await rig.feed.up_to(0)
        rig.take(1, 2)
        await rig.feed.up_to(2)
        rig.check(2)
        assert rig.events() == [2, 3, 4, 5]

    run(Archive(history(2), 0), scenario)


@pytest.mark.parametrize("came", [(4, 5, 6), (2, 3, 4, 5, 6), (6,)])
def test_blocks_that_came_before_the_state(came: Sequence[int]) -> None:
    async def scenario(rig: Rig) -> None:
        rig.take(*came)
        rig.archive.height = max(4, came[0] - 1)
        await rig.feed.up_to(6)
        rig.check(6)

    run(Archive(history(6), 4), scenario)


def test_a_gap_is_told_and_nothing_counts_twice() -> None:
    async def scenario(rig: Rig) -> None:
        await rig.feed.up_to(2)
        rig.archive.height = 5
        rig.take(5, 6)
        await rig.feed.up_to(6)
        rig.check(6)
        assert [(step.height, step.restarted) for step in rig.steps] == [(5, True), (6, False)]

    run(Archive(history(6), 2), scenario)


def test_blocks_between_two_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_feed, "LOAD_AGAIN_S", 0.0)

    async def scenario(rig: Rig) -> None:
        def meanwhile() -> None:
            if rig.archive.height < 4:
                rig.archive.height += 1
                rig.take(rig.archive.height)

        rig.archive.meanwhile = meanwhile
        await rig.feed.up_to(4)
        rig.check(4)

    run(Archive(history(4), 1), scenario)


def test_a_block_that_was_never_sent_here_is_found_in_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_feed, "ON_ITS_WAY_S", 0.01)

    async def scenario(rig: Rig) -> None:
        await rig.feed.up_to(2)
        rig.archive.height = 3
        await rig.feed.up_to(3)
        rig.check(3)

    run(Archive(history(3), 2), scenario)


def test_peers_that_stay_behind_are_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_feed, "READY_S", 0.05)
    monkeypatch.setattr(account_feed, "ON_ITS_WAY_S", 0.01)

    async def scenario(rig: Rig) -> None:
        with pytest.raises(Problem, match="not known up to block 9") as refused:
            await rig.feed.up_to(9)
        assert refused.value.code == "peers-behind"

    run(Archive(history(3), 2), scenario)


# -- the live candle ------------------------------------------------------------------------------------


class Trades:
    """As much of a market as a candle reads."""

    symbol = PAIR

    def __init__(self, *trades: Traded) -> None:
        self.trades = trades


def trade(height: int, price: int, time_ms: int = 60_000) -> Traded:
    return Traded(height, height, time_ms + height, price, 1, Side.BUY)


def test_a_trade_counts_once_in_a_candle() -> None:
    known = [60_000, 100, 105, 100, 105, 2, 205, 2]  # trades of blocks 1 and 2
    market = cast(Market, Trades(trade(1, 100), trade(2, 105), trade(3, 90)))
    candle = LiveCandle(market, "1m", [known], 2)
    assert candle.row == [60_000, 100, 105, 90, 90, 3, 295, 3], "a trade that came before the answer"
    candle.take([trade(2, 105), trade(4, 95)])
    assert candle.row == [60_000, 100, 105, 90, 95, 4, 390, 4]
    candle.take([trade(5, 99, 120_000)])
    assert candle.row == [120_000, 99, 99, 99, 99, 1, 99, 1]


def test_the_first_trade_begins_a_candle() -> None:
    candle = LiveCandle(cast(Market, Trades()), "1m", [], 0)
    assert candle.row is None
    candle.take([trade(1, 100)])
    assert candle.row == [60_000, 100, 100, 100, 100, 1, 100, 1]

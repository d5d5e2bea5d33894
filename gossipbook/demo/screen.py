"""What people see while it runs: progress, each pair at each peer, and a live book; plain lines off a terminal."""

from decimal import Decimal
from typing import Any

import trio
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gossipbook.cli.shown import SafeConsole
from gossipbook.demo.faults import FaultReport
from gossipbook.demo.monitor import Monitor
from gossipbook.demo.traders import Floor
from gossipbook.manifest import Manifest
from gossipbook.peer.condition import PairCondition

REFRESH_S = 0.25
PLAIN_LINE_S = 2.0
BOOK_ROWS = 5


class Screen:
    """A live view on standard error; the verdict goes to standard output."""

    def __init__(self, manifest: Manifest, floor: Floor, monitor: Monitor, faults: FaultReport, total: int | None):
        self._manifest = manifest
        self._floor = floor
        self._monitor = monitor
        self._faults = faults
        self._console = SafeConsole(stderr=True, soft_wrap=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("commands"),
            TimeElapsedColumn(),
        )
        self._task = self._progress.add_task("trading", total=total)
        self._logged = 0

    async def run(self) -> None:
        """Redraw until cancelled."""
        if not self._console.is_terminal:
            await self._run_plain()
            return
        with Live(self._render(), console=self._console, refresh_per_second=4, transient=True) as live:
            while True:
                live.update(self._render())
                await trio.sleep(REFRESH_S)

    async def _run_plain(self) -> None:
        while True:
            for line in self._faults.log[self._logged :]:
                self._console.print(line, markup=False)
            self._logged = len(self._faults.log)
            tally = self._floor.tally
            heights = " ".join(f"{symbol}@{height}" for symbol, height in sorted(self._monitor.heights.items()))
            self._console.print(
                f"{tally.commands_submitted} commands submitted, {tally.ops_certified} of {tally.ops_submitted} ops "
                f"certified, {heights}",
                markup=False,
            )
            await trio.sleep(PLAIN_LINE_S)

    def _render(self) -> RenderableType:
        tally = self._floor.tally
        self._progress.update(self._task, completed=tally.commands_submitted)
        parts: list[RenderableType] = [self._progress, self._peers()]
        if self._monitor.book is not None:
            parts.append(self._book(self._monitor.book))
        parts += self._faults.log[-4:]
        return Group(*parts)

    def _peers(self) -> Table:
        table = Table(header_style="bold", expand=False)
        table.add_column("peer")
        for symbol in self._manifest.symbols():
            table.add_column(symbol)
        for name, status in self._monitor.status.items():
            if status is None:
                table.add_row(name, *["[red]down[/]"] * len(self._manifest.pairs))
                continue
            table.add_row(name, *(self._cell(name, pair) for pair in status["pairs"]))
        return table

    @staticmethod
    def _cell(name: str, pair: dict[str, Any]) -> str:
        leader = " [bold]leads[/]" if pair["leader"] == name else ""
        colour = "green" if pair["state"] == PairCondition.CERTIFYING else "yellow"
        return f"[{colour}]{pair['state']}[/] h{pair['height']} t{pair['term']} +{pair['pending_ops']}{leader}"

    def _book(self, book: dict[str, Any]) -> Table:
        tick = Decimal(book["tick_size"])
        title = f"{book['symbol']} at height {book['height']}"
        table = Table(title=title, title_justify="left", header_style="bold", expand=False)
        for column in ("bid", "price", "ask"):
            table.add_column(column, justify="right", min_width=10)
        asks = [level for level in book["asks"] if level["open_lots"]][:BOOK_ROWS]
        bids = [level for level in book["bids"] if level["open_lots"]][:BOOK_ROWS]
        for level in reversed(asks):
            table.add_row("", f"[red]{level['price_ticks'] * tick}[/]", f"{level['open_lots']:,}")
        for level in bids:
            table.add_row(f"{level['open_lots']:,}", f"[green]{level['price_ticks'] * tick}[/]", "")
        return table

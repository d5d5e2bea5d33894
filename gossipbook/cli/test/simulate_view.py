"""What a person sees while seeds run: how far they are, and what goes on in one of them right now."""

import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gossipbook.cli.shown import SafeConsole
from gossipbook.sim.run import INVALID, UNKNOWN, Progress, SimulationResult
from gossipbook.sim.seeds import Job

REDRAW_HZ = 8
LOOKS_SHOWN = 2


class SimulateView:
    """A live panel on standard error; silent where that is no terminal."""

    def __init__(self, runs: int) -> None:
        self._console = SafeConsole(stderr=True, soft_wrap=False)
        self.shown = self._console.is_terminal
        self._runs = runs
        self._done = 0
        self._bad = 0
        self._unknown = 0
        self._began = time.monotonic()
        self._deliveries = 0
        self._looks: dict[int, tuple[float, Progress]] = {}
        self._name = ""
        self._live = Live(
            get_renderable=self._draw, console=self._console, refresh_per_second=REDRAW_HZ, transient=True
        )

    def __enter__(self) -> "SimulateView":
        if self.shown:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self._live.stop()

    def look(self, progress: Progress) -> None:
        """News of a seed that runs."""
        began = self._looks.get(progress.seed, (time.monotonic(), progress))[0]
        self._looks[progress.seed] = (began, progress)

    def done(self, job: Job, outcome: SimulationResult) -> None:
        """A seed is over."""
        self._looks.pop(job.seed, None)
        self._name = job.name
        self._done += 1
        self._bad += outcome.verdict == INVALID
        self._unknown += outcome.verdict == UNKNOWN
        self._deliveries += outcome.deliveries
        if outcome.verdict == INVALID and self._done < self._runs:  # At once: the others may take hours.
            self._console.print(f"invalid: {job.name} seed {job.seed}: {outcome.summary}", style="red", markup=False)

    def _draw(self) -> RenderableType:
        elapsed_s = max(time.monotonic() - self._began, 1e-3)
        head = Table.grid(padding=(0, 2))
        words = Text(f"{self._done} of {self._runs} seeds")
        if self._bad:
            words.append(f"  {self._bad} invalid", "bold red")
        if self._unknown:
            words.append(f"  {self._unknown} unknown", "yellow")
        rate = f"{self._deliveries / elapsed_s:,.0f} deliveries/s" if self._deliveries else ""
        head.add_row(ProgressBar(self._runs, self._done, width=30), words, rate, Text(self._name, "dim"))
        return Group(head, *[self._look_of(*look) for look in list(self._looks.values())[-LOOKS_SHOWN:]])

    def _look_of(self, began: float, look: Progress) -> RenderableType:
        elapsed_s = max(time.monotonic() - began, 1e-3)
        heights = " ".join(f"{pair} {height}" for pair, height in list(look.heights.items())[:3])
        line = Text(
            f"seed {look.seed}: {look.sim_s:6.1f} of {look.until_s:.0f} s simulated, {look.sim_s / elapsed_s:.0f}x"
        )
        line.append(f"  {look.up}/{look.peers} up", "red" if look.up < look.peers else "green")
        line.append(f"  heights {heights}")
        line.append(f"  differing {look.differing}", "yellow" if look.differing else "")
        line.append(f"  checks {look.checks:,}  deliveries {look.deliveries:,}")
        if look.active:
            line.append("  " + ", ".join(look.active), "bold red")
        return line

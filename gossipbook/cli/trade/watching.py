"""``--watch``: ask once a second and redraw until Ctrl-C, through restarts of the peer."""

from collections.abc import Callable
from typing import Any

import trio
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from gossipbook.cli.connect import Target, ask, reach, run
from gossipbook.cli.interrupts import interrupted
from gossipbook.cli.output import console, print_json
from gossipbook.cli.shown import SafeConsole
from gossipbook.errors import NoAnswer

INTERVAL_S = 1.0

Draw = Callable[[Any], RenderableType]


def watch(target: Target, draw: Draw, as_json: bool, what: str, *arguments: str) -> None:
    """Show the answer to a question every second: redrawn on a terminal, else one below another, or a line of JSON."""
    if as_json:
        run(_watch, target, print_json, _complain, what, *arguments)
        return
    if not console().is_terminal:
        run(_watch, target, lambda answer: console().print(draw(answer)), _complain, what, *arguments)
        return
    shown: list[RenderableType] = [Text("")]
    screen = SafeConsole(soft_wrap=False)  # What is cut off on a screen cannot be scrolled to: it wraps.
    with Live(console=screen, screen=True, auto_refresh=False) as live:

        def show(answer: Any) -> None:
            shown[0] = draw(answer)
            live.update(Group(shown[0], Text("Ctrl-C ends", style="dim")), refresh=True)

        def complain(error: NoAnswer) -> None:
            live.update(Group(Text(f"{error}\n", style="bold red"), shown[0]), refresh=True)

        run(_watch, target, show, complain, what, *arguments)
    console().print(shown[0])


def _complain(error: NoAnswer) -> None:
    console().print(str(error), markup=False)


async def _watch(
    target: Target, show: Callable[[Any], None], complain: Callable[[NoAnswer], None], what: str, *arguments: str
) -> None:
    async with interrupted() as stopped:
        answered = False
        while not stopped.is_set():
            try:
                async with reach(target) as client:
                    while not stopped.is_set():
                        show(await ask(client, target, what, *arguments))
                        answered = True
                        await pause(stopped)
            except NoAnswer as error:
                if not answered:
                    raise
                complain(error)
            await pause(stopped)
            target = target.refreshed()


async def pause(stopped: trio.Event) -> None:
    """A while, unless it is over."""
    with trio.move_on_after(INTERVAL_S):
        await stopped.wait()

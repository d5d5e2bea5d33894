"""What every source of order flow yields."""

from collections.abc import Iterator
from typing import NamedTuple

from gossipbook.matching.commands import Command


class FlowStep(NamedTuple):
    """One command of one author at one moment.

    ``author`` is an index: makers count from 0, takers follow them. Whoever drives a flow maps the indexes to
    keys. ``time_us`` never falls; where it starts is up to the source.
    """

    time_us: int
    author: int
    command: Command


class Flow(NamedTuple):
    """``prelude`` builds the book as it is at the start; ``steps`` is what happens then."""

    prelude: list[FlowStep]
    steps: Iterator[FlowStep]

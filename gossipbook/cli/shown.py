"""Text that came from outside, made fit for a terminal, and consoles that show nothing else."""

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from gossipbook.cli.plain_text import clean

PLAIN_WIDTH = 80


class SafeConsole(Console):
    """A console that takes neither markup nor emoji codes out of text, nor control characters."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = True) -> None:
        nowhere = os.environ.get("COLUMNS", "").strip() == "0"  # A terminal that does not know how wide it is.
        width = PLAIN_WIDTH if nowhere else None
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False, width=width)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with every text cleaned, wherever in a table it is."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)

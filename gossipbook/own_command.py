"""How this program runs itself again: as a module of the same Python, or as the executable that it is in."""

import sys


def own_command(*arguments: str) -> list[str]:
    """A command of ``gossipbook`` in another process."""
    frozen = getattr(sys, "frozen", False)  # the one-file executable, in which there is no ``-m``
    return [sys.executable, *([] if frozen else ["-m", "gossipbook"]), *arguments]

"""The peer binary's commands, one module each; this is where they are put together.

Every command has ``--json`` (one last line of JSON on standard output) and fixed exit codes
(:mod:`~gossipbook.exits`), with the reason on standard error if it is not 0.
"""

import gc
import signal
import sys
from importlib.util import find_spec
from io import TextIOWrapper
from types import FrameType

from gossipbook.exits import Exit


def main() -> None:
    """Entry point of the ``gossipbook`` command. An interrupt, a TERM and a lost terminal end it in one line."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGHUP, _interrupt)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # What it cannot show is replaced, and does not change the end.
                stream.reconfigure(errors="replace")
        _run()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    finally:
        gc.freeze()  # What is left goes with the process: to look for garbage in it takes a tenth of a short command.


SIGNALS_SEEN: list[int] = []
"""What ended the program, or should have: what a signal raises is lost where Python catches all that is raised."""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    SIGNALS_SEEN.append(number)
    signal.raise_signal(signal.SIGINT)  # whose handling a running trio takes over, and a plain program survives


def _run() -> None:
    for needed in ("click", "rich", "tomli_w"):
        if find_spec(needed) is None:
            sys.exit(f"gossipbook: the peer binary needs {needed}; install it with: pip install 'gossipbook[peer]'")
    import click

    from gossipbook.cli.app import app

    try:
        code = app.main(standalone_mode=False)
    except click.Abort:  # What click makes of an interrupt; it would end with 1, which says that something is bad.
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else Exit.GOOD)

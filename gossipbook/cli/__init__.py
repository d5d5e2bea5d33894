"""The peer binary's commands, one module each; this is where they are put together.

Every command has ``--json`` (one last line of JSON on standard output) and fixed exit codes: 0 good, 1 bad (the reason
is on standard error), 2 wrong usage, or for ``verify`` and ``demo`` that nothing happened to judge.
"""

import gc
import signal
import sys
from importlib.util import find_spec
from types import FrameType

EXIT_INTERRUPTED = 130


def main() -> None:
    """Entry point of the ``gossipbook`` command. An interrupt, a TERM and a lost terminal end it in one line."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    finally:
        gc.freeze()  # What is left goes with the process: to look for garbage in it takes a tenth of a short command.


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)  # whose handling a running trio takes over, and a plain program survives


def _run() -> None:
    for needed in ("click", "rich", "tomli_w"):
        if find_spec(needed) is None:
            sys.exit(f"gossipbook: the peer binary needs {needed}; install it with: pip install 'gossipbook[peer]'")
    from gossipbook.cli.app import app

    app()

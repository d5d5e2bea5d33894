"""The peer binary's commands, one module each; this is where they are put together.

Every command has ``--json`` (one last line of JSON on standard output) and fixed exit codes: 0 good, 1 bad (the reason
is on standard error), 2 wrong usage, or for ``verify`` and ``demo`` that nothing happened to judge.
"""

import sys


def main() -> None:
    """Entry point of the ``gossipbook`` command."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
        import tomli_w  # noqa: F401
    except ModuleNotFoundError as error:
        sys.exit(f"gossipbook: the peer binary needs {error.name}; install it with: pip install 'gossipbook[peer]'")
    from gossipbook.cli.app import app

    app()

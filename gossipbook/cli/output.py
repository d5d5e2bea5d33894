"""How commands speak: tables for people, one line of JSON for programs, errors without tracebacks.

The library for tables is imported when the first table is drawn: commands without one should start fast.
"""

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import click

from gossipbook.cli.plain_text import clean
from gossipbook.errors import ConfigError, GossipbookError, ManifestError, SubmitRefused
from gossipbook.exits import Exit, exit_of
from gossipbook.manifest import Manifest

if TYPE_CHECKING:
    from rich.console import Console

P = ParamSpec("P")
T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one last line of JSON.")


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def say(text: str, *, err: bool = False, word: str = "", style: str = "") -> None:
    """Print one line for people, for which no library of tables is needed; the first ``word`` in it in a style."""
    shown = clean(text)
    click.echo(shown.replace(word, styled(word, style), 1) if word else shown, err=err)


def styled(text: str, style: str) -> str:
    """Text in a colour, and bold if the style says so; where nobody sees colours they are left out."""
    *bold, colour = style.split()
    return text if "NO_COLOR" in os.environ else click.style(text, fg=colour, bold=bool(bold) or None)


def fail(message: str, code: int = Exit.BAD) -> NoReturn:
    """Say what is wrong and exit."""
    click.echo(f"gossipbook: {clean(message)}", err=True)
    sys.exit(code)


def reports_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Turn our own errors, alone or grouped by a nursery, into one line on standard error."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (GossipbookError, OSError, UnicodeDecodeError) as error:
            fail(_told(error), exit_of(error))
        except BaseExceptionGroup as group:
            ours, others = group.split((GossipbookError, OSError))
            if others is not None or ours is None:
                raise
            fail(_told(_leaf(ours)), exit_of(_leaf(ours)))

    return wrapped


def _told(error: BaseException) -> str:
    """An error in words; one of three says what became of an order: refused, unknown or certified."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror or error)
    if isinstance(error, UnicodeDecodeError):
        return f"a file that should be text is not: {error}"
    return f"refused: {error}" if isinstance(error, SubmitRefused) else str(error)


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def read_manifest(file: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        ConfigError: naming the file and what is wrong with it.
    """
    try:
        return Manifest.from_file(file)
    except ManifestError as error:
        raise ConfigError(str(error)) from None


@functools.cache
def console() -> "Console":
    """Return the console for standard output."""
    from gossipbook.cli.shown import SafeConsole

    return SafeConsole()


@functools.cache
def error_console() -> "Console":
    """Return the console for standard error."""
    from gossipbook.cli.shown import SafeConsole

    return SafeConsole(stderr=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people; numbers to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    listed = [tuple(row) for row in rows]
    for place, column in enumerate(columns):
        numbers = bool(listed) and all(isinstance(row[place], int | float) for row in listed)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in listed:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console().print(table)

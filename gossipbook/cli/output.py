"""How commands speak: tables for people, one line of JSON for programs, errors without tracebacks."""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gossipbook.errors import GossipbookError

P = ParamSpec("P")
T = TypeVar("T")

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_BAD = 1

json_option = click.option("--json", "as_json", is_flag=True, help="Print one last line of JSON.")


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def fail(message: str, code: int = EXIT_BAD) -> NoReturn:
    """Say what is wrong and exit."""
    errors.print(f"gossipbook: {message}", markup=False)
    sys.exit(code)


def reports_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Turn our own errors, alone or grouped by a nursery, into one line on standard error."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except GossipbookError as error:
            fail(str(error))
        except OSError as error:
            if error.filename is None:
                raise
            fail(f"{error.filename}: {error.strerror}")
        except UnicodeDecodeError as error:
            fail(f"a file that should be text is not: {error}")
        except BaseExceptionGroup as group:
            ours, others = group.split(GossipbookError)
            if others is not None or ours is None:
                raise
            fail(str(_leaf(ours)))

    return wrapped


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; numbers to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    listed = [tuple(row) for row in rows]
    for place, column in enumerate(columns):
        numbers = bool(listed) and all(isinstance(row[place], int | float) for row in listed)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in listed:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console.print(table)

"""How commands speak: tables for people, one line of JSON for programs, errors without tracebacks."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gossipbook.cli.plain import EXIT_BAD, fail, json_option, print_json, reports_errors

__all__ = ["EXIT_BAD", "console", "errors", "fail", "json_option", "print_json", "print_table", "reports_errors"]

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


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

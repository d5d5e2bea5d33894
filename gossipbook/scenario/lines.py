"""Find the line of a TOML text on which a key is written."""

import tomllib
from collections.abc import Sequence
from typing import Any

STATEMENT_LINES_CAP = 200  # how far to look for the end of a statement


def line_of(lines: Sequence[str], path: tuple[str | int, ...]) -> int:
    """Return the line, from 1, of the key at a path, whether under a header, dotted, or within braces.

    It is the first line that names it and up to which the text says it, an array closed that is still open there.
    """
    name = [step for step in path if isinstance(step, str)][-1]
    spelled = [at for at, line in enumerate(lines, 1) if name in line]
    for at in spelled or range(1, len(lines) + 1):  # It may be spelled with an escape.
        for end in range(at, min(len(lines), at + STATEMENT_LINES_CAP) + 1):
            document = _parsed("\n".join(lines[:end]))
            if document is not None:
                if _leads(document, path):
                    return at
                break
    return 1


def _parsed(text: str) -> dict[str, Any] | None:
    """Parse a document that may end within an array; return None if it ends within anything else."""
    for ending in ("", "]"):
        try:
            return tomllib.loads(text + ending)
        except tomllib.TOMLDecodeError:
            continue
    return None


def _leads(document: Any, path: tuple[str | int, ...]) -> bool:
    for step in path:
        try:
            document = document[step]
        except (LookupError, TypeError):
            return False
    return True

"""Transcripts of pure cores: commands, ``----``, the effects that they must have, in order, as lines of text.

``GOSSIPBOOK_REWRITE=1`` writes what happened into the scripts; the diff is to be reviewed like code.
"""

import os
from pathlib import Path
from typing import Protocol

SCRIPTS = Path(__file__).parent / "scripts"


class Core(Protocol):
    """A core on a bench, driven by lines."""

    def run(self, line: str) -> list[str]: ...


def scripts_of(core: str) -> list[Path]:
    """The transcripts of one core."""
    return sorted(SCRIPTS.glob(f"{core}_*.txt"))


def parse(text: str) -> list[tuple[str, list[str], list[str]]]:
    """(comment, commands, expected lines) of each paragraph."""
    found = []
    for paragraph in text.strip().split("\n\n"):
        lines = paragraph.splitlines()
        comments = [line for line in lines if line.startswith("#")]
        body = [line for line in lines if not line.startswith("#")]
        mark = body.index("----") if "----" in body else len(body)
        found.append(("\n".join(comments), body[:mark], body[mark + 1 :]))
    return found


def check(path: Path, core: Core) -> None:
    """Run one transcript; every paragraph must come out as written."""
    rewrites = os.environ.get("GOSSIPBOOK_REWRITE") == "1"
    paragraphs = []
    for comment, commands, expected in parse(path.read_text()):
        happened = [line for command in commands for line in core.run(command)]
        if not rewrites:
            assert happened == expected, f"{path.name}: after {commands}"
        lines = [comment] if comment else []
        paragraphs.append("\n".join([*lines, *commands, *(["----", *happened] if commands else [])]))
    if rewrites:
        path.write_text("\n\n".join(paragraphs) + "\n")


def split(line: str) -> tuple[str, list[str], dict[str, str]]:
    """A command's verb, its words, and its ``key=value`` options."""
    verb, *words = line.split()
    plain = [word for word in words if "=" not in word]
    return verb.replace("-", "_"), plain, dict(word.split("=", 1) for word in words if "=" in word)

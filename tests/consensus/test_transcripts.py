"""The rules of consensus, one script each: a command, ``----``, the effects that it must have, in order.

``GOSSIPBOOK_REWRITE=1`` writes what happened into the scripts; the diff is to be reviewed like code.
"""

import os
from pathlib import Path

import pytest

from .kit import Script, audit

SCRIPTS = sorted((Path(__file__).parent.parent / "scripts").glob("consensus_*.txt"))


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


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    script = Script()
    paragraphs = []
    for comment, commands, expected in parse(path.read_text()):
        happened = [line for command in commands for line in script.run(command)] if commands else []
        if os.environ.get("GOSSIPBOOK_REWRITE") != "1":
            assert happened == expected, f"{path.name}: after {commands}"
        lines = [comment] if comment else []
        paragraphs.append("\n".join([*lines, *commands, *(["----", *happened] if commands else [])]))
    assert audit(script.bench) == []
    if os.environ.get("GOSSIPBOOK_REWRITE") == "1":
        path.write_text("\n\n".join(paragraphs) + "\n")


def test_there_is_a_script_for_every_rule() -> None:
    for rule in range(1, 14):
        assert any(f"_rule_{rule:02}_" in path.stem for path in SCRIPTS), rule

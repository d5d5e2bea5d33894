"""The rules of the author core, one script each: a command, ``----``, the effects that it must have, in order.

``GOSSIPBOOK_REWRITE=1`` writes what happened into the scripts; the diff is to be reviewed like code.
"""

import os
from pathlib import Path

import pytest
from consensus.test_transcripts import parse

from .bench import AuthorScript

SCRIPTS = sorted((Path(__file__).parent.parent / "scripts").glob("author_*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    script = AuthorScript()
    paragraphs = []
    for comment, commands, expected in parse(path.read_text()):
        happened = [line for command in commands for line in script.run(command)] if commands else []
        if os.environ.get("GOSSIPBOOK_REWRITE") != "1":
            assert happened == expected, f"{path.name}: after {commands}"
        lines = [comment] if comment else []
        paragraphs.append("\n".join([*lines, *commands, *(["----", *happened] if commands else [])]))
    if os.environ.get("GOSSIPBOOK_REWRITE") == "1":
        path.write_text("\n\n".join(paragraphs) + "\n")


def test_the_scripts_are_there() -> None:
    assert len(SCRIPTS) >= 16

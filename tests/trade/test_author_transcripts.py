"""The rules of the author core, one script each."""

from pathlib import Path

import pytest
import transcript

from .bench import AuthorScript

SCRIPTS = transcript.scripts_of("author")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    transcript.check(path, AuthorScript())


def test_the_scripts_are_there() -> None:
    assert len(SCRIPTS) >= 16

"""The rules of consensus, one script each."""

from pathlib import Path

import pytest
import transcript

from .kit import Script, audit

SCRIPTS = transcript.scripts_of("consensus")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    script = Script()
    transcript.check(path, script)
    assert audit(script.bench) == []


def test_there_is_a_script_for_every_rule() -> None:
    for rule in range(1, 14):
        assert any(f"_rule_{rule:02}_" in path.stem for path in SCRIPTS), rule

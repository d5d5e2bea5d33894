"""What docs/PRIORITY.md tells traders is so: each of its examples runs, and finds what it says that it finds."""

import re
from pathlib import Path
from typing import Any

import pytest

from gossipbook.limits import Limits, Timing
from gossipbook.trade.tickets import QUORUM_LOSS, STATES

TEXT = (Path(__file__).parents[2] / "docs" / "PRIORITY.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
IMPORTS = "from gossipbook.testing import Market\n"


def title(code: str) -> str:
    """The heading under which a block stands, and its number."""
    before = TEXT[: TEXT.index(code)]
    return f"{re.findall(r'^## (.*)$', before, re.MULTILINE)[-1]} {before.count('```python')}"


@pytest.mark.parametrize("code", BLOCKS, ids=title)
def test_an_example_runs_on_its_own(code: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(IMPORTS + code, "docs/PRIORITY.md", "exec"), names)


def test_the_examples_run_one_after_another() -> None:
    names: dict[str, Any] = {}
    for code in BLOCKS:
        exec(compile(code, "docs/PRIORITY.md", "exec"), names)


@pytest.mark.parametrize("code", BLOCKS, ids=title)
def test_every_example_asserts_its_outcome(code: str) -> None:
    assert "\nassert " in code


def test_every_section_but_the_leaders_table_has_examples() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections if "```python" not in section] == []


def test_the_words_and_numbers_are_those_of_the_code() -> None:
    assert [word for word in (*STATES, *QUORUM_LOSS) if f"`{word}`" not in TEXT and f" {word}" not in TEXT] == []
    assert f"({Timing().inclusion_age_ms // 1_000} s by default)" in TEXT
    assert f"within {['no', 'one', 'two'][Timing().clock_tolerance_ms // 1_000]} seconds" in TEXT
    assert hasattr(Limits(), "max_triggers_per_block")

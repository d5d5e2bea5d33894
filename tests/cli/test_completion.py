"""A shell completes commands, options and their words; bash itself is asked."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .support import ENVIRONMENT

ASK = """
eval "$(_GOSSIPBOOK_COMPLETE=bash_source %s)"
COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_gossipbook_completion "%s"
printf '%%s\\n' "${COMPREPLY[@]}"
"""


def completed(words: str) -> list[str]:
    """What bash offers for the last of some words."""
    bash = shutil.which("bash")
    assert bash is not None, "bash is on every machine that has make"
    program = str(Path(sys.executable).with_name("gossipbook"))
    script = ASK % (program, words, program)
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=True, env=ENVIRONMENT, timeout=60)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("gossipbook st", {"start", "status", "statement"}),
        ("gossipbook order c", {"cancel", "cancel-all"}),
        ("gossipbook order place BTC-USD s", {"sell"}),
        ("gossipbook order place BTC-USD buy 1 2 --self-trade a", {"allow"}),
        ("gossipbook candles BTC-USD 1", {"1s", "1m", "15m", "1h", "12h", "1d"}),
        ("gossipbook order place --text", {"--text-id"}),
    ],
)
def test_bash_offers_what_the_program_takes(words: str, offered: set[str]) -> None:
    assert set(completed(words)) == offered

"""What a router does, one script for each of its duties."""

from pathlib import Path

import pytest
import transcript

from .bench import GossipScript

SCRIPTS = transcript.scripts_of("gossip")
DUTIES = ("mesh", "push", "choke", "lazy", "promise", "retransmit", "backoff", "bounds")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    transcript.check(path, GossipScript())


def test_there_is_a_script_for_every_duty() -> None:
    assert [path.stem.removeprefix("gossip_") for path in SCRIPTS] == sorted(DUTIES)

"""What a peer does, one script for each of its duties."""

from pathlib import Path

import pytest
import transcript

from .bench import PeerScript

SCRIPTS = transcript.scripts_of("peer")
DUTIES = (
    *("submitted_op", "acks", "gossiped_op", "forged_op", "equivocation", "finalized_block", "votes_by_topic"),
    *("blame", "client_lines", "bodies", "links", "condition", "book"),
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    transcript.check(path, PeerScript())


def test_there_is_a_script_for_every_duty() -> None:
    assert [path.stem.removeprefix("peer_") for path in SCRIPTS] == sorted(DUTIES)

"""The order in which a story is told."""

from gossipbook.cli.trade.explain import tell
from gossipbook.manifest import Pair

AUTHOR = b"a" * 32


def story(held_ms, block):
    held = [{"member": f"m{time_ms}", "time_ms": time_ms} for time_ms in held_ms]
    came = {"time_ms": 10, "how": "from a client", "from": "", "outcome": "accepted", "stored_ms": 12, "held_by": held}
    return {
        "author": AUTHOR.hex(),
        "client_id": 1,
        "peer": "p",
        "height": 1,
        "state": "certifying",
        "op": None,
        "arrival": came,
        "refused": None,
        "blocks": [block] if block else [],
        "blocks_left_out": None,
        "proposed": [],
        "waiting_for": [],
        "rests": None,
    }


def told(held_ms, final_ms=30):
    block = {
        "created_term": 0,
        "certified_term": 0,
        "proposer": "m1",
        "height": 1,
        "time_ms": 20,
        "final_ms": final_ms,
        "signers": ["m1"],
        "events": [],
        "events_left_out": 0,
    }
    words = ("received", "stored", "holds it too", "proposed", "certified")
    lines = list(tell(story(held_ms, block), AUTHOR, Pair("A-B")))[3:]
    return [next(word for word in words if word in line).split()[0] for line in lines]


def test_members_are_told_of_at_their_time():
    assert told([15, 20, 25, 35]) == ["received", "stored", "holds", "proposed", "holds", "holds", "certified", "holds"]


def test_of_a_block_whose_certificate_has_no_time_they_come_last():
    assert told([15, 25], final_ms=0) == ["received", "stored", "holds", "proposed", "certified", "holds"]


def test_without_a_block_all_are_told_of():
    lines = list(tell(story([15, 25], None), AUTHOR, Pair("A-B")))
    assert sum("holds it too" in line for line in lines) == 2

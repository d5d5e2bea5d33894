"""One fault at every await of the shells in turn: links, questions and tasks end alone; the core ends the peer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .flood import ROOT
from .injected import all_sites

PARTS = 4
EACH_S = 30

ENDS_THE_PEER = (
    *("driver.Driver._decide", "driver.Driver._verify", "driver.Driver._perform", "driver.Driver._commit_and_perform"),
    *("driver.Driver._fire_timers", "driver.Driver.feed", "inbox.Inbox.take"),
)
"""The core's own loops, and its journal."""
NOT_PASSED = {
    "the end of a run": ("driver.Driver.run", "driver.Driver._whole", "driver.Driver.hand_over", "opening._withdraw"),
    "the start, before there is a peer": ("opening.going", "opening._go", "runtime.Runtime.listen"),
    "the DHT, which tests/dht has faults for": (
        "opening._announce",
        "opening._discover",
        "opening._rejoin",
        "runtime.Runtime.discover",
    ),
    "a peer behind, who is sent blocks": ("driver.Driver._send_stored",),
    "no room, or a refusal": (
        *("driver.Driver._decide#3", "runtime.Runtime._serve_stream#1", "runtime.Runtime._serve_stream#2"),
        *("runtime.Runtime._run_link#1", "runtime.Runtime._run_link#2", "runtime.Runtime._dial#2"),
        *(
            "transport._Watched.wait_send_all_might_not_block",
            "transport.accept#3",
            "transport.dial#4",
            "transport.dial#5",
        ),
        *("transport.shake_hands#5", "transport.shake_hands#6", "archivist.Archivist.ask#1"),
    ),
    "TLS": ("transport.dial#2",),
    "what takes longer than a test": (
        "link.Link._ping",
        "link.Link._watch",
        "driver.Driver._fire_timers#1",
        "driver.Driver._fire_timers#2",
    ),
    "what only a program without the command has": ("reporting.Reporting.run", "link.Link._read#2"),
    "the end of a link that was dialled": ("runtime.Runtime._dial#3", "transport.dial#7"),
    "ops that come by gossip where nothing waits for them": ("driver.Driver._perform#2",),
    "a reader of its own": ("proofs.Proofs.word", "proofs.Proofs._ask"),
}


def is_among(site: str, places: tuple[str, ...]) -> bool:
    return any(site == place or site.startswith(f"{place}#") for place in places)


SITES = [site for site in all_sites() if not any(is_among(site, places) for places in NOT_PASSED.values())]


def test_what_is_left_out_is_there() -> None:
    sites = all_sites()
    for places in (*NOT_PASSED.values(), ENDS_THE_PEER):
        for place in places:
            assert any(is_among(site, (place,)) for site in sites), place
    assert len(SITES) > 50


@pytest.mark.parametrize("part", range(PARTS))
def test_who_survives_a_fault(tmp_path: Path, part: int) -> None:
    sites = SITES[part::PARTS]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run(
        [sys.executable, "-m", "hostile.injected", str(tmp_path), *sites],
        capture_output=True,
        text=True,
        env=environment,
        timeout=EACH_S * len(sites),
    )
    assert done.returncode == 0, done.stderr
    found = dict(map(json.loads, done.stdout.splitlines()))
    assert list(found) == sites
    wrong = {}
    for site, outcome in found.items():
        ends = is_among(site, ENDS_THE_PEER)
        good = outcome.startswith("ended: PeerFault: ") and site in outcome if ends else outcome == "survived"
        if not good:
            wrong[site] = outcome
    assert wrong == {}

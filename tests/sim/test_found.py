"""Swarm seeds that once found something, kept."""

import pytest

from gossipbook.sim.seeds import Job, run_job

FOUND = {
    99: "what a slow wire held back was delivered long after it was fast again",
    389: "the same, where two limits met on one wire",
    1_781: "of two clock faults that overlapped, one stayed on for ever",
    4_740: "a vote on disk left for the first time after the TIMEOUT of its term",
    7_296: "an old journal was put under a running peer",
    4_176: "what waited for a paused process came to it after what happened later",
}


@pytest.mark.parametrize("seed", FOUND)
def test_the_seed_is_valid_now(seed: int) -> None:
    outcome = run_job(Job(None, seed, swarm=True))
    assert outcome.verdict == "valid", outcome.summary

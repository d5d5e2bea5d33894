"""Whom a scenario's words mean, by peer index."""

import random

import pytest

from gossipbook.scenario.parts import FAULTS, FaultPart
from gossipbook.scenario.targets import DEFAULT_TARGETS, WHO, Roles

ROLES = Roles(range(7), (2, 0, 3, 1), quorum=3, term=5, seed=9)
DRAWS = [random.Random(seed) for seed in range(40)]


def named(who: str, rng: random.Random | None = None) -> list[int]:
    assert WHO.fullmatch(who), who
    found = ROLES.named(who, rng or random.Random(1))
    assert len(found) == len(set(found))
    return found


def test_words_that_leave_no_choice() -> None:
    assert named("leader") == [0], "seat 1 leads term 5"
    assert named("successor") == [3]
    assert named("members") == [2, 0, 3, 1]
    assert named("followers") == [4, 5, 6]
    assert named("everyone") == list(range(7))
    assert named("peer 2") == named("peer 9") == [2]
    assert named("seat 3") == named("seat 7") == [1]


@pytest.mark.parametrize(
    ("word", "pool"), [("member", ROLES.members), ("follower", ROLES.followers), ("anyone", ROLES.peers)]
)
def test_words_for_one_of_many(word: str, pool: list[int]) -> None:
    drawn = [named(word, rng) for rng in DRAWS]
    assert {len(found) for found in drawn} == {1}
    assert {found[0] for found in drawn} == set(pool)


def test_words_for_some_of_many() -> None:
    assert all(len(named("3 members", rng)) == 3 and set(named("3 members", rng)) <= {0, 1, 2, 3} for rng in DRAWS)
    assert all(set(named("2 followers", rng)) <= {4, 5, 6} for rng in DRAWS)
    assert sorted(named("99 peers")) == list(range(7))


def test_without_followers_a_follower_is_anybody() -> None:
    assert Roles(range(4), range(4), 3, 0, 0).named("follower", random.Random(1))[0] in range(4)


def test_an_author_has_one_home() -> None:
    homes = {author: named(f"home of {author}")[0] for author in ("maker 0", "maker 1", "taker 0", "noise 3")}
    assert homes == {author: ROLES.home(author) for author in homes}
    assert len(set(homes.values())) > 1


def test_a_fault_without_a_target_hits_its_kinds_usual_one() -> None:
    assert ROLES.hit(FaultPart("pause"), random.Random(1)) == ROLES.hit(FaultPart("partition"), random.Random(1)) == [0]
    assert ROLES.hit(FaultPart("loss"), random.Random(1)) == list(range(7))
    assert ROLES.hit(FaultPart("pause", who="seat 2"), random.Random(1)) == [3]


def test_every_kind_that_hits_somebody_has_a_usual_target() -> None:
    assert set(DEFAULT_TARGETS) == {kind for kind, keys in FAULTS.items() if "who" in keys}
    assert all(WHO.fullmatch(who) for who in DEFAULT_TARGETS.values())

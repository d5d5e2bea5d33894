"""Strangers' links pass one at a time, who used the least first, and with pauses; on a clock that jumps."""

from collections import Counter

import pytest
import trio

from gossipbook.net.turnstile import HALF_LIFE_S, HOLD_S, REST_CAP_S, REST_S, SHARE, Turnstile
from gossipbook.refusals import Refusals, Scope

BUSY = [bytes([number]) * 20 for number in range(20)]
QUIET = b"q" * 20
COST_S = 0.001


class Work:
    """This thread's work, as the test says."""

    def __init__(self):
        self.spent_s = 0.0

    def __call__(self):
        return self.spent_s


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def refusals():
    return Refusals()


@pytest.fixture
async def turnstile(refusals, work, nursery):
    made = Turnstile(refusals, work)
    nursery.start_soon(made.run)
    return made


async def flood(turnstile, work, link, took):
    """Pass again and again, and cost something each time."""
    while True:
        async with turnstile.turn(link):
            with turnstile.charging(link):
                work.spent_s += COST_S
            took[link] += 1
            await trio.lowlevel.checkpoint()


async def test_a_flood_takes_its_share_of_time_and_all_links_as_much_of_it(autojump_clock, turnstile, work, nursery):
    took = Counter()
    for link in BUSY:
        nursery.start_soon(flood, turnstile, work, link, took)
    await trio.sleep(20)
    assert work.spent_s == pytest.approx(20 / (1 / SHARE - 1), rel=0.05)  # Work takes no time on this clock.
    assert max(took.values()) - min(took.values()) <= 1


async def test_who_sends_little_waits_for_one_turn_and_not_for_all(autojump_clock, turnstile, work, nursery):
    for link in BUSY:
        nursery.start_soon(flood, turnstile, work, link, Counter())
    await trio.sleep(1)
    longest_s = 0.0
    for _ in range(50):
        began_s = trio.current_time()
        async with turnstile.turn(QUIET):
            longest_s = max(longest_s, trio.current_time() - began_s)
            with turnstile.charging(QUIET):
                work.spent_s += COST_S
        await trio.sleep(0.2)
    assert longest_s <= 1.01 * (REST_S + COST_S / SHARE)


async def test_one_is_inside_at_a_time(autojump_clock, turnstile, nursery):
    inside, most = 0, 0

    async def enter(link):
        nonlocal inside, most
        async with turnstile.turn(link):
            inside += 1
            most = max(most, inside)
            await trio.sleep(0.1)
            inside -= 1

    async with trio.open_nursery() as entering:
        for link in BUSY:
            entering.start_soon(enter, link)
    assert most == 1


@pytest.mark.parametrize("inside", [False, True])
async def test_who_gives_up_holds_nobody_up(autojump_clock, turnstile, work, nursery, inside):
    turnstile.charge(BUSY[0], 0.05)
    with trio.move_on_after(0.2 if not inside else 5) as scope:
        async with turnstile.turn(BUSY[0]):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    with trio.fail_after(1):
        async with turnstile.turn(QUIET):
            pass


async def test_use_is_forgotten_and_a_rest_has_a_cap(autojump_clock, turnstile):
    turnstile.charge(QUIET, 100.0)
    began_s = trio.current_time()
    async with turnstile.turn(BUSY[0]):
        assert trio.current_time() - began_s == pytest.approx(REST_CAP_S)
    used = turnstile.used(QUIET)
    await trio.sleep(HALF_LIFE_S)
    assert turnstile.used(QUIET) == pytest.approx(used / 2)
    assert turnstile.used(BUSY[0]) == 0


async def test_who_sends_what_is_refused_is_not_read_for_a_while(autojump_clock, refusals, turnstile):
    for fault in (False, True):
        async with turnstile.turn(BUSY[0]):
            with turnstile.charging(BUSY[0]):
                if fault:
                    refusals.count(Scope.RATE, "too many")
        began_s = trio.current_time()
        async with turnstile.turn(QUIET):
            assert trio.current_time() == began_s
        async with turnstile.turn(BUSY[0]):
            assert trio.current_time() - began_s == pytest.approx(HOLD_S if fault else 0)

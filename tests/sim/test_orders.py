"""The orders of a seed: decided before the run, the same in fair weather and foul."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.matching.commands import Amend, Cancel, CancelAll, Place
from gossipbook.sim.orders import EXPIRING_MS, Submission, agents_orders, author_identity
from gossipbook.sim.plan import make_plan
from gossipbook.sim.scenario import WorkloadPart

from .support import fault, opened, plan, scenario, small

LIVELY = WorkloadPart(seconds=60, ops_per_s=20, makers=2, noise=3, takers=2, cancellers=2)


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_one_seed_one_flow(seed: int, pairs: int) -> None:
    orders = agents_orders(LIVELY, pairs, seed)
    assert orders == agents_orders(LIVELY, pairs, seed)
    assert orders != agents_orders(LIVELY, pairs, seed + 1)
    check_ids(orders)
    times = [order.at_us for order in orders]
    assert times == sorted(times)
    assert all(0 <= at_us < 60_000_000 for at_us in times)
    assert {order.pair for order in orders} == set(range(pairs))


def check_ids(orders: tuple[Submission, ...]) -> None:
    """Client order ids rise by one, by author and pair; what is cancelled or amended was placed before."""
    last: Counter[tuple[str, int]] = Counter()
    for order in orders:
        key = order.author, order.pair
        for command in order.commands:
            if isinstance(command, Place):
                assert command.client_id == last[key] + 1
                assert command.qty_lots > 0 < command.price_ticks
                last[key] = command.client_id
            elif isinstance(command, Cancel | Amend):
                assert 1 <= command.client_id <= last[key]


def test_faults_change_no_order() -> None:
    fair, foul = scenario(small()), scenario(small(fault("crash", who="everyone") + fault("loss", share=0.5)))
    for seed in range(5):
        assert make_plan(fair, seed).orders == make_plan(foul, seed).orders
    assert plan(small(), 3).in_fair_weather().orders == plan(small(), 3).orders


def test_what_is_signed_is_the_same_in_fair_weather_and_foul() -> None:
    """Not only planned: the ops themselves, by author, to the byte; a peer that is down delays none."""
    signed = []
    for text in (small(), small(fault("crash", who="everyone", at_s=0.5, for_s=2) + fault("partition", at_s=1))):
        exchange, _ = opened(text)
        exchange.world.run(4_200)
        signed.append({name: [s.op.id for s in trader.ops] for name, trader in exchange.traders.items()})
    assert signed[0] == signed[1]
    assert sum(map(len, signed[0].values())) > 20


def test_the_rate_is_the_one_asked_for() -> None:
    counts = [len(agents_orders(LIVELY, 1, seed)) for seed in range(5)]
    assert all(abs(count - 1_200) < 120 for count in counts)
    assert agents_orders(WorkloadPart(ops_per_s=0), 1, 0) == ()


def test_every_kind_of_command_and_trader_is_there() -> None:
    orders = agents_orders(LIVELY, 1, 0)
    assert {type(c) for order in orders for c in order.commands} == {Place, Cancel, Amend, CancelAll}
    assert {order.author.split()[0] for order in orders} == {"maker", "noise", "taker", "canceller"}
    assert len({order.author for order in orders}) == 9
    places = [c for order in orders for c in order.commands if isinstance(c, Place)]
    assert {c.side for c in places} == {1, 2}
    assert {c.type for c in places} == {1, 2}
    assert {c.tif for c in places} == {1, 3, 4}
    assert {c.flags for c in places} == {0, 1}
    assert {c.self_trade for c in places} == {1, 2, 3, 4}


def test_expiring_orders() -> None:
    def share(expiring: float) -> float:
        orders = agents_orders(WorkloadPart(seconds=60, ops_per_s=20, expiring=expiring), 1, 1)
        assert {order.ttl_ms for order in orders} <= {0, EXPIRING_MS}
        return sum(bool(order.ttl_ms) for order in orders) / len(orders)

    assert share(0.0) == 0
    assert share(1.0) == 1
    assert abs(share(0.5) - 0.5) < 0.05


def test_only_who_is_hired_trades() -> None:
    orders = agents_orders(WorkloadPart(makers=0, noise=0, takers=1, cancellers=0), 1, 0)
    assert {order.author for order in orders} == {"taker 0"}


def test_authors_have_keys_of_their_own() -> None:
    assert author_identity("noise 0").public_key == author_identity("noise 0").public_key
    assert author_identity("noise 0").public_key != author_identity("noise 1").public_key

"""The orders of a seed: decided before the run, the same in fair weather and foul."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sim.support import fault, opened, plan, scenario, small, warden

from gossipbook.matching.commands import Amend, Cancel, CancelAll, Lease, OrderType, Place, PlaceSpecial, SetState
from gossipbook.scenario.orders import EXPIRING_MS, LEASE_MS, PlannedOp, agents_orders, author_identity
from gossipbook.scenario.parts import NetworkPart, WorkloadPart
from gossipbook.sim.plan import make_plan

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


def check_ids(orders: tuple[PlannedOp, ...]) -> None:
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


def test_special_orders_change_no_other() -> None:
    """They are drawn from a source of their own: times, authors, sides and ids are as they would have been."""
    plain = agents_orders(LIVELY, 2, 7)
    special = agents_orders(replace(LIVELY, special=0.5, leases=True), 2, 7)
    assert [order[:3] for order in plain] == [order[:3] for order in special]
    turned = kept = 0
    for before, after in zip(plain, special, strict=True):
        commands = [command for command in after.commands if not isinstance(command, Lease)]
        assert len(commands) == len(before.commands)
        for one, other in zip(before.commands, commands, strict=True):
            if isinstance(other, PlaceSpecial):
                assert isinstance(one, Place)
                assert (one.client_id, one.side) == (other.client_id, other.side)
                turned += 1
            else:
                assert one == other
                kept += isinstance(one, Place)
    assert abs(turned - kept) < 0.1 * (turned + kept)
    assert agents_orders(replace(LIVELY, special=0.5), 2, 8) != agents_orders(replace(LIVELY, special=0.5), 2, 7)


def test_every_kind_of_special_order_is_there_and_makes_sense() -> None:
    orders = agents_orders(replace(LIVELY, special=1.0), 1, 0)
    special = [c for order in orders for c in order.commands if isinstance(c, PlaceSpecial)]
    assert not any(isinstance(c, Place) for order in orders for c in order.commands)
    assert all(c.is_special() for c in special)
    assert {c.type for c in special} == set(OrderType)
    assert any(c.flags == 3 for c in special)
    for c in special:
        assert c.price_ticks > 0 <= c.stop_ticks
        assert c.display_lots < c.qty_lots >= c.min_lots
        assert (c.type in (OrderType.STOP, OrderType.STOP_LIMIT)) == bool(c.stop_ticks)
    assert {bool(c.display_lots) for c in special} == {bool(c.min_lots) for c in special} == {True, False}


def test_makers_renew_their_leases_with_every_quote() -> None:
    orders = agents_orders(replace(LIVELY, leases=True), 1, 0)
    leased = [order for order in orders if any(isinstance(c, Lease) for c in order.commands)]
    assert leased == [order for order in orders if order.author.startswith("maker")]
    assert all(order.commands[0] == Lease(LEASE_MS) for order in leased)


def test_a_warden_speaks_at_its_times_in_all_pairs() -> None:
    text = small(warden("open", at_s=2) + warden("auction"))
    made = make_plan(replace(scenario(text), network=NetworkPart(pairs=2)), 0)
    said = [order for order in made.orders if order.author == "warden"]
    assert [(o.at_us, o.pair, o.commands) for o in said] == [
        (1_000_000, 0, (SetState(5),)),
        (1_000_000, 1, (SetState(5),)),
        (2_000_000, 0, (SetState(1),)),
        (2_000_000, 1, (SetState(1),)),
    ]
    times = [order.at_us for order in made.orders]
    assert times == sorted(times)
    exchange, _ = opened(text)
    assert exchange.manifest.wardens == (author_identity("warden").public_key,)
    assert opened(small())[0].manifest.wardens == ()


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

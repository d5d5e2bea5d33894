"""What could go wrong in the matching benchmark without anybody noticing. Speed is not tested."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from engines.bars import Bar, speed_bars
from engines.churn import PER_LEVEL, Churn
from engines.deep import DeepBook
from engines.install import Unavailable, interpreter
from engines.others import OTHERS, MinimalLoop
from engines.product import Product, author_key
from engines.rounds import Contender, interleave, ratio
from engines.steps import CANCEL, PLACE, REDUCE, Steps, generated_steps


@pytest.fixture(scope="module")
def flow() -> Steps:
    return generated_steps(6_000)


def run(book: Any, steps: list[Any]) -> Any:
    book.run(book.prepare(steps))
    return book


def test_the_loop_and_the_product_trade_the_same(flow: Steps) -> None:
    product = run(Product(), flow.steps)
    assert product.refused() == 0
    lots, notional = product.traded()
    assert lots > 0
    assert run(MinimalLoop(), flow.steps).traded() == (lots, notional)


def test_they_hold_the_same_book_afterwards(flow: Steps) -> None:
    product = run(Product(), flow.steps)
    loop = run(MinimalLoop(), flow.steps).loop
    names = {number: (author_key(author), product.client_ids[number]) for _, number, author, *_ in flow.steps}
    resting = {names[order.number]: order.open_lots for order in loop.orders.values()}
    held = {row[:2]: row[3] for side in (1, 2) for row in product.engine.open_orders(side)}
    assert resting == held


def test_steps_have_all_kinds_and_no_effectless_one(flow: Steps) -> None:
    assert {step[0] for step in flow.steps} == {PLACE, CANCEL, REDUCE}
    assert flow.left_out == flow.trimmed == 0
    numbers = [step[1] for step in flow.steps if step[0] == PLACE]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("make", [Product, MinimalLoop])
def test_churn_keeps_the_size_and_the_shape(make: Any) -> None:
    size = 20 * PER_LEVEL
    deep = DeepBook(make(), size)
    deep.build()
    deep.run(5_000, near=True)
    if make is Product:
        assert deep.book.engine.book.open_count == size
        assert {live for _, _, live in deep.book.engine.depth(1, 100)} == {PER_LEVEL}
    else:
        assert len(deep.book.loop.orders) == size


def test_no_command_of_the_churn_is_refused() -> None:
    churn, product = Churn(20 * PER_LEVEL), Product()
    run(product, [*churn.build(), *churn.wear(), *churn.commands(2_000, near=False)])
    assert product.refused() == 0
    assert product.traded()[0] > 0


def test_an_engine_that_cannot_be_had_says_why() -> None:
    with pytest.raises(Unavailable, match=r"needs Python 3\.99"):
        interpreter((3, 99))


def test_a_worker_that_dies_says_why() -> None:
    with pytest.raises(Unavailable, match="no-such-engine"):
        Contender("x", "no-such-engine", Path(sys.executable))


def test_every_engine_is_pinned() -> None:
    assert all("==" in requirement for other in OTHERS.values() for requirement in (other.requirement, *other.also))


def test_ratios_are_of_one_round_and_every_round_has_all() -> None:
    seen: list[str] = []

    def measure(key: str) -> float:
        seen.append(key)
        return {"a": 1.0, "b": 2.0, "c": 4.0}[key] * (1 + len(seen) // 3)

    seconds, lost = interleave(["a", "b", "c"], 4, measure)
    assert not lost
    assert [len(values) for values in seconds.values()] == [4, 4, 4]
    assert len({tuple(seen[start : start + 3]) for start in range(0, 12, 3)}) > 1
    assert ratio([1.0, 2.0, 9.0], [2.0, 4.0, 9.0]) == 2.0


def test_a_contender_that_fails_on_the_way_does_not_stop_the_others() -> None:
    asked: list[str] = []

    def measure(key: str) -> float:
        asked.append(key)
        if key == "b" and asked.count("b") == 2:
            raise Unavailable("it fell over")
        return 1.0

    seconds, lost = interleave(["a", "b"], 3, measure)
    assert seconds == {"a": [1.0, 1.0, 1.0]}
    assert lost == {"b": "it fell over"}


def test_a_bar_takes_the_worst_flow_and_the_fastest_peer() -> None:
    def row(flow: str, engine: str, x_loop: float) -> dict[str, Any]:
        return {"flow": flow, "engine": engine, "language": "python", "x_loop": x_loop, "x_compiled_loop": None}

    rows = [row("a", "product", 0.6), row("a", "x", 0.3), row("a", "y", 0.4), row("a", "loop, Python 3.12.1", 1.0)]
    rows += [row("b", "product", 0.5), row("b", "x", 0.5), row("b", "loop", 1.0)]
    figures = {bar.what: bar for bar in speed_bars(rows)}
    assert figures["pure / pure loop"].figure == 0.5
    assert figures["pure / pure loop"].verdict == "NOT MET"
    assert figures["pure / fastest pure-Python peer"].figure == 1.0
    assert figures["compiled / compiled loop"].verdict == "not measured"
    assert Bar("x", 1.2, 1.15, False).verdict == "NOT MET"

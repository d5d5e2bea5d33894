"""What an op is told to have done is what its own commands did, though events name orders and no ops."""

import pytest
from consensus.kit import buy

from gossipbook.crdt.command_code import encode_command
from gossipbook.matching.commands import Amend, Cancel, Command, OrderType, Place, Side, TimeInForce
from gossipbook.trade.blocks import CheckedBlock
from gossipbook.trade.outcome import own_events

from .bench import AuthorBench


def told(*each: list[Command], alone: int | None = None) -> list[tuple[str, list[str]]]:
    """The first op in a block of its own, the others in the next one: why refused, and all events, of each of them."""
    bench = AuthorBench()
    ops = []
    for seq, commands in enumerate(each):
        ops.append(bench.sign_elsewhere(seq, ops[-1].id if ops else bytes(32), *commands))
    bench.certify(ops[0])
    checked = bench.checked(bench.proven(bench.certify(*ops[1:])))
    assert isinstance(checked, CheckedBlock)
    together = ops[1:] if alone is None else [ops[alone]]
    outcomes = []
    for op in together:
        events = own_events(op, checked.events, together)
        refused = [event.reason for event in events if type(event).__name__ == "Rejected"]
        outcomes.append((f"{len(refused)} refused", [type(event).__name__ for event in events]))
    return outcomes


def test_the_first_of_two_cancels_in_one_block_cancels_and_the_second_does_not() -> None:
    assert told([buy(1)], [Cancel(1)], [Cancel(1)]) == [("0 refused", ["Cancelled"]), ("1 refused", ["Rejected"])]


def test_amends_of_one_order_in_one_block_have_an_answer_each() -> None:
    assert told([buy(1)], [Amend(1, 90, 0)], [Amend(1, 0, 10**12)], [Amend(1, 91, 0)], [Cancel(1)]) == [
        ("0 refused", ["Amended", "Cancelled"]),
        ("1 refused", ["Rejected", "Cancelled"]),
        ("0 refused", ["Amended", "Cancelled"]),
        ("0 refused", ["Amended", "Amended", "Cancelled"]),
    ]


def test_with_an_op_that_is_not_known_here_every_answer_is_told() -> None:
    assert told([buy(1)], [Cancel(1)], [Cancel(1)], alone=1) == [("1 refused", ["Cancelled", "Rejected"])]


@pytest.mark.parametrize("number", [1.5, 100.0, "7", None, float("nan")])
def test_a_command_with_a_number_that_is_none_is_not_encoded(number: object) -> None:
    """A price with a fraction would be signed as another price."""
    with pytest.raises(ValueError, match="ints"):
        encode_command(Place(1, Side.BUY, OrderType.LIMIT, number, 5, TimeInForce.GTC))  # type: ignore[arg-type]

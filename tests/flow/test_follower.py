"""What a replay does about orders that left the recorder's view, or are not where the recording has them."""

from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.errors import DecodeError
from gossipbook.flow import RecordedFlow, ReplayFigures, lobster_flow
from gossipbook.limits import Limits
from gossipbook.manifest import Pair
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Command, Place, Side, TimeInForce
from gossipbook.matching.engine import Engine

GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
BUY, SELL = int(Side.BUY), int(Side.SELL)


def flow_of(folder: Path, rows: list[str], books: list[str] | None = None, name: str = "tape.csv") -> RecordedFlow:
    """One maker and one taker. Rows are without their times, which are those of their lines unless they have one."""
    tape, orderbook = folder / name, folder / "books.csv"
    text = [row if row.count(",") == 5 else f"{line},{row}" for line, row in enumerate(rows, 1)]
    tape.write_text("\n".join(text))
    orderbook.write_text("\n".join(books or []))
    return lobster_flow(tape, orderbook=None if books is None else orderbook, makers=1, takers=1, tick_e4=1)


def commands(flow: RecordedFlow) -> list[Command]:
    """All commands of a flow, which an engine executes as the replay expects."""
    steps = [*flow.prelude, *flow.steps]
    assert flow.audit().run(Engine(Pair("A/B"), Limits()), steps) == flow.figures()
    return [step.command for step in steps]


def rest(client_id: int, side: int, price: int, lots: int) -> Place:
    return Place(client_id, side, 1, price, lots, GTC)


def take(client_id: int, side: int, price: int, lots: int) -> Place:
    return Place(client_id, side, 1, price, lots, IOC)


def test_a_submission_rests_across_an_order_that_is_not_named_again(tmp_path: Path) -> None:
    flow = flow_of(tmp_path, ["1,1,5,100,-1", "1,2,5,99,-1", "1,3,5,100,1", "3,3,5,100,1"])
    assert commands(flow) == [
        rest(1, SELL, 100, 5),
        rest(2, SELL, 99, 5),
        Cancel(2),
        Cancel(1),
        rest(3, BUY, 100, 5),
        Cancel(3),
    ]
    assert flow.figures() == ReplayFigures(0, 0, 0, 0, orders_taken_out=2, commands_refused=0)


def test_a_take_passes_orders_that_are_not_named_again(tmp_path: Path) -> None:
    """At a better price, and before it in its queue; whoever is behind it stays."""
    rows = ["1,1,5,99,-1", "1,2,5,100,-1", "1,3,5,100,-1", "1,4,5,100,-1", "4,3,4,100,-1"]
    flow = flow_of(tmp_path, rows)
    assert commands(flow)[4:] == [Cancel(1), Cancel(2), take(1, BUY, 100, 4)]
    assert flow.figures() == ReplayFigures(1, 1, 0, 0, 2, 0)


def test_an_order_that_was_reduced_out_of_view_is_reduced_before_a_take_fills_it(tmp_path: Path) -> None:
    rows = ["1,1,50,100,-1", "1,2,5,100,-1", "9,4,1,20,100,-1", "9,4,2,5,100,-1"]
    flow = flow_of(tmp_path, rows)
    assert commands(flow)[2:] == [Amend(1, 0, 20, AmendFlags.REDUCE_ONLY), take(1, BUY, 100, 25)]
    assert flow.figures() == ReplayFigures(1, 1, 0, 0, 0, 0)


def test_in_a_file_of_one_level_nobody_is_better_than_an_event(tmp_path: Path) -> None:
    rows = ["1,1,5,101,1", "1,2,5,100,1", "1,3,5,103,-1", "1,4,5,102,-1", "3,3,5,103,-1"]
    assert commands(flow_of(tmp_path, rows))[4:] == [Cancel(3)]
    flow = flow_of(tmp_path, rows, name="AAPL_message_1.csv")
    assert commands(flow) == [
        rest(1, BUY, 101, 5),
        Cancel(1),
        rest(2, BUY, 100, 5),
        rest(3, SELL, 103, 5),
        rest(4, SELL, 102, 5),
        Cancel(4),
        Cancel(3),
    ]
    assert flow.figures().orders_taken_out == 2


def test_an_old_id_goes_before_younger_ones(tmp_path: Path) -> None:
    rows = ["1,10,5,100,1", "1,12,6,100,1", "1,11,7,100,1", "4,10,5,100,1", "4,11,7,100,1", "4,12,6,100,1"]
    flow = flow_of(tmp_path, rows)
    assert commands(flow) == [
        rest(1, BUY, 100, 5),
        rest(2, BUY, 100, 6),
        Cancel(2),
        rest(3, BUY, 100, 7),
        rest(4, BUY, 100, 6),
        take(1, SELL, 100, 5),
        take(2, SELL, 100, 7),
        take(3, SELL, 100, 6),
    ]
    assert flow.figures() == ReplayFigures(3, 3, 0, 0, 0, 0)


def test_an_order_that_a_take_passes_over_steps_aside(tmp_path: Path) -> None:
    rows = ["1,1,5,100,1", "1,2,5,100,1", "4,2,3,100,1", "3,1,5,100,1", "3,2,2,100,1"]
    flow = flow_of(tmp_path, rows)
    assert commands(flow)[2:] == [
        Cancel(1),
        take(1, SELL, 100, 3),
        Cancel(2),
        rest(3, BUY, 100, 5),
        rest(4, BUY, 100, 2),
        Cancel(3),
        Cancel(4),
    ]
    assert flow.figures() == ReplayFigures(1, 1, takes_mended=1, phantom_lots=0, orders_taken_out=0, commands_refused=0)


def test_an_unseen_order_that_would_meet_a_certain_one_waits_until_it_is_named(tmp_path: Path) -> None:
    """Order 2 is older than order 3, across which it rests after that is gone."""
    rows = ["1,1,5,100,-1", "1,3,5,101,1", "3,1,5,100,-1"]
    with_certain = ["1,1,5,105,-1", "1,3,5,107,-1", "3,1,5,105,-1", "3,3,5,107,-1", "3,2,9,107,1"]
    assert rest(2, BUY, 107, 9) not in commands(flow_of(tmp_path, rows))
    assert commands(flow_of(tmp_path, with_certain)) == [
        rest(1, SELL, 105, 5),
        rest(2, SELL, 107, 5),
        Cancel(1),
        Cancel(2),
        rest(3, BUY, 107, 9),
        Cancel(3),
    ]


def test_of_two_orders_of_the_open_that_would_meet_the_later_named_is_not_there_yet(tmp_path: Path) -> None:
    rows = ["3,7,5,100,-1", "4,5,5,101,1", "1,20,5,90,1", "3,6,5,99,1"]
    flow = flow_of(tmp_path, rows)
    assert [step.command for step in flow.prelude] == [rest(1, BUY, 99, 5), rest(2, SELL, 100, 5)]
    assert commands(flow)[2:] == [
        Cancel(2),
        rest(3, BUY, 101, 5),
        take(1, SELL, 101, 5),
        rest(4, BUY, 90, 5),
        Cancel(1),
    ]


def test_what_contradicts_the_rules_of_priority_is_sent_as_it_is_and_counted(tmp_path: Path) -> None:
    """Order 1 is passed with lots that are filled later; in the replay they are filled at once."""
    rows = ["1,1,5,100,1", "1,2,5,100,1", "9,4,1,3,100,1", "9,4,2,4,100,1", "10,4,1,2,100,1", "11,3,2,1,100,1"]
    flow = flow_of(tmp_path, rows)
    assert commands(flow)[2:] == [take(1, SELL, 100, 7), Cancel(2)]
    assert flow.figures() == ReplayFigures(2, 0, takes_mended=0, phantom_lots=2, orders_taken_out=0, commands_refused=0)


def test_an_order_of_the_other_side_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="line 2: order 1 rests on the other side"):
        list(flow_of(tmp_path, ["1,1,5,100,1", "4,1,5,100,-1"]).steps)


# -- with an orderbook file ---------------------------------------------------------------------------

NO_ASK, NO_BID = "9999999999,0", "-9999999999,0"


def test_what_comes_into_view_enters(tmp_path: Path) -> None:
    rows = ["1,1,5,100,1", "3,1,5,100,1", "1,2,5,97,1"]
    books = [f"110,4,100,5,{NO_ASK},99,3", f"110,4,99,3,{NO_ASK},98,2", f"110,4,99,3,{NO_ASK},98,2"]
    flow = flow_of(tmp_path, rows, books)
    assert [step.command for step in flow.prelude] == [rest(1, BUY, 99, 3), rest(2, SELL, 110, 4)]
    assert commands(flow)[2:] == [rest(3, BUY, 100, 5), Cancel(3), rest(4, BUY, 98, 2), rest(5, BUY, 97, 5)]


def bids(*levels: str) -> str:
    """A row of two levels with nothing for sale."""
    best, second = (*levels, NO_BID, NO_BID)[:2]
    return f"{NO_ASK},{best},{NO_ASK},{second}"


def test_what_is_not_shown_leaves(tmp_path: Path) -> None:
    """Of a level, first the lots without a name, then those not named again; of a side, the levels not shown."""
    rows = ["1,1,5,100,1", "1,2,5,100,1", "1,3,5,99,1", "3,2,5,100,1", "1,4,1,97,1"]
    books = [bids("100,9"), bids("100,11"), bids("100,6", "99,5"), bids("98,1"), bids("98,1", "97,1")]
    assert commands(flow_of(tmp_path, rows, books)) == [
        rest(1, BUY, 100, 4),
        rest(2, BUY, 100, 5),
        rest(3, BUY, 100, 5),
        Amend(1, 0, 1, AmendFlags.REDUCE_ONLY),
        rest(4, BUY, 99, 5),
        Cancel(1),
        Amend(2, 0, 1, AmendFlags.REDUCE_ONLY),
        Cancel(3),
        Cancel(2),
        Cancel(4),
        rest(5, BUY, 98, 1),
        rest(6, BUY, 97, 1),
    ]


def test_an_order_that_is_not_shown_yet_comes_when_it_is_named(tmp_path: Path) -> None:
    """Its id is old, so it was taken for one of the open. What shows before it is named has no name."""
    rows = ["1,10,5,100,1", "1,11,5,100,1", "3,2,7,99,1"]
    books = [bids("100,5"), bids("100,10", "99,7"), bids("100,10")]
    assert commands(flow_of(tmp_path, rows, books)) == [
        rest(1, BUY, 99, 7),
        rest(2, BUY, 100, 5),
        Cancel(1),
        rest(3, BUY, 100, 5),
        rest(4, BUY, 99, 7),
        Cancel(4),
        rest(5, BUY, 99, 7),
        rest(6, BUY, 99, 7),
        Cancel(5),
        Cancel(6),
    ]


@pytest.mark.parametrize(
    ("books", "message"),
    [
        ([], r"books\.csv: no rows"),
        (["110,4,100,5"], "line 2: the orderbook has no row for this message"),
        (["110,4,100,5"] * 3, "the orderbook has more rows than the message file"),
        (["110,4,100,5", "110,4,100,5,111,1,99,1"], "line 2 of the orderbook: 8 columns"),
        (["110,4,100"] * 2, "line 1 of the orderbook: 3 columns"),
        (["110,4,100,five"] * 2, "line 1 of the orderbook: expected integers"),
        (["110,-4,100,5"] * 2, "line 1 of the orderbook: -4 at 110 is no level"),
        (["-110,4,100,5"] * 2, "line 1 of the orderbook: 4 at -110 is no level"),
        (["110,4,100,5,109,1,99,1"] * 2, "line 1 of the orderbook: prices are not in order"),
    ],
)
def test_an_orderbook_that_does_not_fit_is_an_error(tmp_path: Path, books: list[str], message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        list(flow_of(tmp_path, ["1,1,5,100,1", "3,1,5,100,1"], books).steps)


# -- recordings that contradict themselves ----------------------------------------------------------------

ROW = st.tuples(
    st.booleans(),  # at a later time
    st.sampled_from([1, 1, 1, 2, 3, 4, 4, 4, 5]),
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(98, 102),
    st.sampled_from([1, -1]),
)
LEVELS = st.lists(st.tuples(st.integers(97, 103), st.integers(0, 4)), min_size=4, max_size=4)


@settings(max_examples=500)
@given(st.lists(ROW, min_size=1, max_size=25), st.lists(LEVELS, min_size=25, max_size=25), st.booleans())
def test_whatever_is_recorded_an_engine_does_what_the_replay_expects(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[bool, int, int, int, int, int]],
    views: list[list[tuple[int, int]]],
    shown: bool,
) -> None:
    now, text, books = 1, [], []
    for (later, *numbers), view in zip(rows, views, strict=False):
        now += later
        text.append(",".join(map(str, (now, *numbers))))
        asks, bids = sorted(dict(view[:2]).items()), sorted(dict(view[2:]).items(), reverse=True)
        pairs = [*zip_longest(asks, bids, fillvalue=(0, 0)), ((0, 0), (0, 0))]
        books.append(",".join(str(number) for pair in pairs[:2] for level in pair for number in level))
    try:
        flow = flow_of(tmp_path_factory.getbasetemp(), text, books if shown else None)
        sent = commands(flow)
    except DecodeError:
        return
    takes = [command for command in sent if isinstance(command, Place) and command.tif == IOC]
    assert len(takes) <= flow.figures().takes
    assert flow.figures().commands_refused == 0


# -- the figures ----------------------------------------------------------------------------------------


def test_an_audit_tells_what_an_engine_does_otherwise(tmp_path: Path) -> None:
    flow = flow_of(tmp_path, ["1,1,5,100,1", "1,2,5,100,1", "4,1,5,100,1", "3,2,5,100,1"])
    audit = flow.audit()
    steps = [*flow.prelude, *flow.steps]
    assert audit.figures() == ReplayFigures(1, 0, 0, 0, 0, 0)
    without_the_first = audit.run(Engine(Pair("A/B"), Limits()), steps[1:])
    assert without_the_first == ReplayFigures(1, 0, 0, phantom_lots=5, orders_taken_out=0, commands_refused=1)
    assert flow.figures() == ReplayFigures(1, 1, 0, 0, 0, 0)


def test_an_audit_knows_the_fills_of_strangers(tmp_path: Path) -> None:
    flow = flow_of(tmp_path, ["1,1,5,100,1", "4,1,5,100,1"])
    assert len([*flow.prelude, *flow.steps]) == 2
    audit = flow.audit()
    authors = {b"maker": 0, b"taker": 1}
    for maker, taker in ((b"maker", b"x"), (b"x", b"taker"), (b"x", b"y")):
        audit.saw((3, 1, 100, 2, maker, 1, taker, 1, SELL), authors)
    audit.saw((2, 2, b"x", 1, 1, 1), authors)
    assert audit.figures() == ReplayFigures(1, 0, 0, phantom_lots=4, orders_taken_out=0, commands_refused=0)
    audit.saw((2, 3, b"maker", 1, 1, 1), authors)
    assert audit.figures().commands_refused == 1

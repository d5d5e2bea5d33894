"""A recorded tape becomes commands: of whom, when, and with which numbers."""

from pathlib import Path

import pytest

from gossipbook.errors import DecodeError
from gossipbook.flow import FlowStep, RecordedFlow, lobster_flow, measure
from gossipbook.flow.lobster import SUBMIT, RecordedMessage, Take, read_messages
from gossipbook.flow.replay import UnseenOrder, merge_unseen, unseen_orders
from gossipbook.matching.commands import Amend, AmendFlags, Cancel, Place, TimeInForce

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "AAPL_2012-06-21_34200000_37800000_message_50.csv"
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)

TAPE = """\
10.000001,1,50,100,1000000,1
10.000002,1,51,100,1000100,-1
10.000003,2,50,30,1000000,1
10.000004,5,0,5,1000050,1
10.000005,4,7,20,1000100,-1
10.000005,4,51,40,1000100,-1
10.000006,3,51,60,1000100,-1
10.000007,1,60,10,999900,1
10.000008,4,7,5,1000100,-1
10.000008,4,55,10,1000200,-1
10.000009,2,8,10,999000,1
10.00001,7,0,0,-1,-1
"""


def flow_of(folder: Path, text: str, makers: int = 8, takers: int = 2) -> RecordedFlow:
    path = folder / "tape.csv"
    path.write_text(text)
    return lobster_flow(path, makers=makers, takers=takers)


def test_a_tape_becomes_these_commands(tmp_path: Path) -> None:
    prelude, steps = flow_of(tmp_path, TAPE, makers=2, takers=1)
    first = 10_000_001
    assert prelude == [
        FlowStep(first, 0, Place(1, 2, 1, 10_001, 25, GTC)),  # id 7: all that is executed later
        FlowStep(first, 1, Place(1, 1, 1, 9_990, 11, GTC)),  # id 8: what is reduced later, and the lot that stays
    ]
    assert list(steps) == [
        FlowStep(10_000_001, 0, Place(2, 1, 1, 10_000, 100, GTC)),
        FlowStep(10_000_002, 1, Place(2, 2, 1, 10_001, 100, GTC)),
        FlowStep(10_000_003, 0, Amend(2, 0, 70, AmendFlags.REDUCE_ONLY)),
        FlowStep(10_000_005, 2, Place(1, 1, 1, 10_001, 60, IOC)),
        FlowStep(10_000_006, 1, Cancel(2)),
        FlowStep(10_000_006, 0, Place(3, 2, 1, 10_002, 10, GTC)),  # id 55 entered out of view, before id 60
        FlowStep(10_000_007, 1, Place(3, 1, 1, 9_999, 10, GTC)),
        FlowStep(10_000_008, 2, Place(2, 1, 1, 10_002, 15, IOC)),
        FlowStep(10_000_009, 1, Amend(1, 0, 1, AmendFlags.REDUCE_ONLY)),
    ]


def test_an_order_out_of_view_enters_before_its_first_event_at_the_latest(tmp_path: Path) -> None:
    prelude, steps = flow_of(tmp_path, "1,1,5,10,100,1\n2,3,9,30,200,-1\n")
    assert prelude == []
    kinds = [type(step.command) for step in steps]
    assert kinds == [Place, Place, Cancel]


class CountedId(int):
    """An order id that counts how often ids are compared."""

    compared = 0

    def __lt__(self, other: int) -> bool:
        CountedId.compared += 1
        return int(self) < int(other)


def test_orders_out_of_view_are_merged_in_linear_time() -> None:
    count = 2_000
    unseen = [UnseenOrder(CountedId(2 * i + 1), 1, 100, 1) for i in range(count)]
    submissions = [RecordedMessage(i + 1, i, SUBMIT, CountedId(2 * i), 1, 100, 1) for i in range(count)]
    CountedId.compared = 0
    merged = list(merge_unseen(submissions, unseen))
    assert [int(item.order_id) for item in merged if not isinstance(item, Take)] == list(range(2 * count - 1))
    assert CountedId.compared <= 4 * count


def test_a_reduction_to_nothing_is_a_cancel(tmp_path: Path) -> None:
    _, steps = flow_of(tmp_path, "1,1,5,10,100,1\n2,2,5,10,100,1\n")
    assert [step.command for step in steps][1] == Cancel(1)


def test_a_tape_without_submissions_is_all_prelude(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    path.write_text("1,3,9,30,200,-1\n2,4,4,10,300,-1\n")
    assert unseen_orders(read_messages(path)) == ([UnseenOrder(4, 2, 3, 10), UnseenOrder(9, 2, 2, 30)], [])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,1,5,10,100,1\n2,1,5,10,100,1\n", "line 2: order 5 is submitted twice"),
        ("1,1,5,10,100,1\n2,3,5,10,100,1\n3,3,5,10,100,1\n", "line 3: order 5 is deleted after its end"),
        ("1,1,5,10,100,1\n2,4,5,10,100,1\n3,2,5,10,100,1\n", "line 3: order 5 has ended before"),
        ("1,1,5,10,150,1\n", "line 1: price 150 is not a multiple of the tick 100"),
        ("1,1,5,10,100,1\n2,4,6,10,150,1\n", "line 2: price 150 is not a multiple of the tick 100"),
    ],
)
def test_a_tape_that_contradicts_itself_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        list(flow_of(tmp_path, rows).steps)


def test_an_empty_tape_is_an_empty_flow(tmp_path: Path) -> None:
    prelude, steps = flow_of(tmp_path, "")
    assert prelude == []
    assert list(steps) == []


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded flow")
def test_the_recorded_hour_has_the_figures_that_the_generator_aims_at() -> None:
    flow = lobster_flow(RECORDED)
    steps = list(flow.steps)
    assert [*lobster_flow(RECORDED).steps] == steps
    figures = measure(steps, flow.prelude)
    assert figures.submits_s == pytest.approx(12.3, abs=0.05)
    assert figures.deletes_s == pytest.approx(11.4, abs=0.05)
    assert figures.executions_s == pytest.approx(1.13, abs=0.02)
    assert figures.reductions_s == pytest.approx(0.13, abs=0.01)
    assert figures.interarrival_cv == pytest.approx(3.4, abs=0.1)
    assert figures.deleted_share == pytest.approx(0.93, abs=0.01)
    assert figures.filled_share == pytest.approx(0.067, abs=0.001)
    assert figures.sign_repeats == pytest.approx(0.81, abs=0.01)
    assert figures.spread_ticks in (19, 20)
    assert figures.size_lots == {50: 100, 95: 200, 99: 1000}

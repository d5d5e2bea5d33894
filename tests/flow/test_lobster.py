"""The file format: what is read, and how a bad row is reported."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook.errors import DecodeError
from gossipbook.flow.lobster import EXECUTE, HALT, RecordedMessage, Take, group_takes, price_ticks, read_messages
from gossipbook.matching.commands import Side

GOOD = "34200.004241176,1,16113575,18,5853300,1\n"


def tape(folder: Path, text: str | bytes, name: str = "tape.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_row_is_read_in_integers(tmp_path: Path) -> None:
    (message,) = read_messages(tape(tmp_path, GOOD))
    assert message == RecordedMessage(1, 34_200_004_241_176, 1, 16113575, 18, 5_853_300, Side.BUY)
    assert all(type(value) is int for value in message)


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [("34200", 34_200 * 10**9), ("34200.5", 34_200_500_000_000), ("35821.088778456004", 35_821_088_778_456)],
)
def test_times_are_cut_to_nanoseconds(tmp_path: Path, written: str, nanoseconds: int) -> None:
    (message,) = read_messages(tape(tmp_path, f"{written},3,7,1,100,-1"))
    assert (message.time_ns, message.side) == (nanoseconds, Side.SELL)


@pytest.mark.parametrize(
    "row",
    [
        "",
        "time,type,id,size,price,direction",
        "34200.1,1,1,18,5853300",
        "34200.1,1,1,18,5853300,1,null,7",
        "34200.1,1,1,18,5853300,1 null",
        "34200.1,1,1,18,5853300,0",
        "34200.1,8,1,18,5853300,1",
        "34200.1,1,1,1.5,5853300,1",
        "34200.1,1,1,-18,5853300,1",
        "34200.1,1,1,0,5853300,1",
        "34200.1,1,1,18,0,1",
        "34200.1,1,1,18,-5,1",
        "3.42e4,1,1,18,5853300,1",
        " 34200.1,1,1,18,5853300,1",
        "34200.1,1,1,1_8,5853300,1",
        "34200.1,1,1,١٨,5853300,1",
        "34199.9,1,1,18,5853300,1",
    ],
)
def test_a_malformed_row_is_named_by_its_line(tmp_path: Path, row: str) -> None:
    messages = read_messages(tape(tmp_path, GOOD + row + "\n" + GOOD))
    next(messages)
    with pytest.raises(DecodeError, match="line 2: "):
        next(messages)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", "\n \r\n\n"])
@pytest.mark.parametrize("header", ["", "Time,Type,Order ID,Size,Price,Direction\n", '\ufeff"time", "type"\r\n'])
@pytest.mark.parametrize("column", ["", ",null", ",MPID", ","])
def test_a_header_a_seventh_column_and_blank_lines_at_the_end_are_passed_over(
    tmp_path: Path, header: str, column: str, end: str
) -> None:
    row = GOOD.rstrip() + column
    messages = list(read_messages(tape(tmp_path, f"{header}{row}\n{row}{end}")))
    plain = list(read_messages(tape(tmp_path, GOOD * 2)))
    assert [message[1:] for message in messages] == [message[1:] for message in plain]
    assert [message.line for message in messages] == ([2, 3] if header else [1, 2])


def test_only_the_first_line_may_be_a_header(tmp_path: Path) -> None:
    header = "time,type,id,size,price,direction\n"
    with pytest.raises(DecodeError, match="line 2: "):
        list(read_messages(tape(tmp_path, header * 2 + GOOD)))
    with pytest.raises(DecodeError, match="line 1: blank, and more lines follow"):
        list(read_messages(tape(tmp_path, "\n" + header + GOOD)))


ROWS = st.tuples(
    st.integers(0, 86_399),
    st.integers(0, 10**9 - 1),
    st.sampled_from([1, 2, 3, 4, 5, 6]),
    st.integers(0, 10**18 - 1),
    st.integers(1, 10**15 - 1),
    st.integers(1, 10**15 - 1),
    st.sampled_from([Side.BUY, Side.SELL]),
)


@given(st.lists(ROWS, max_size=8).map(sorted), st.sampled_from(["", ",null"]), st.booleans())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int, int, int, int, Side]],
    column: str,
    header: bool,
) -> None:
    text = "".join(
        f"{s}.{ns:09},{kind},{order_id},{size},{price},{1 if side == Side.BUY else -1}{column}\n"
        for s, ns, kind, order_id, size, price, side in rows
    )
    path = tape(tmp_path_factory.getbasetemp(), "a,b\n" * header + text)
    assert list(read_messages(path)) == [
        RecordedMessage(line, s * 10**9 + ns, *rest) for line, (s, ns, *rest) in enumerate(rows, 1 + header)
    ]


@given(st.binary(max_size=200))
def test_nothing_but_a_decode_error_comes_out_of_bad_input(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    for name in ("junk.csv", "junk.csv.gz"):
        path = tape(tmp_path_factory.getbasetemp(), junk, name)
        try:
            for _ in read_messages(path):
                pass
        except DecodeError:
            pass


def test_a_halt_has_neither_size_nor_price(tmp_path: Path) -> None:
    (halt,) = read_messages(tape(tmp_path, "34200.1,7,0,0,-1,-1"))
    assert halt.kind == HALT


def test_gzip_is_read_too_and_a_torn_one_is_reported(tmp_path: Path) -> None:
    packed = gzip.compress(GOOD.encode() * 500)
    assert len(list(read_messages(tape(tmp_path, packed, "tape.csv.gz")))) == 500
    with pytest.raises(DecodeError, match=r"torn\.csv\.gz"):
        list(read_messages(tape(tmp_path, packed[:-9], "torn.csv.gz")))
    with pytest.raises(DecodeError, match=r"plain\.csv\.gz"):
        list(read_messages(tape(tmp_path, GOOD, "plain.csv.gz")))


@pytest.mark.parametrize("ending", ["GZ", "Gz", "gZ"])
def test_the_ending_of_a_gzip_file_may_have_any_case(tmp_path: Path, ending: str) -> None:
    packed = gzip.compress(GOOD.encode())
    assert len(list(read_messages(tape(tmp_path, packed, f"tape.csv.{ending}")))) == 1


def test_a_price_between_ticks_is_an_error() -> None:
    message = RecordedMessage(17, 0, 1, 1, 1, 5_853_350, Side.BUY)
    with pytest.raises(DecodeError, match="line 17: price 5853350"):
        price_ticks(message, 100)
    assert price_ticks(message, 50) == 117_067


def execution(
    line: int, time_ns: int, side: Side, price: int = 100, size: int = 1, kind: int = EXECUTE
) -> RecordedMessage:
    return RecordedMessage(line, time_ns, kind, line, size, price, side)


def test_executions_of_one_time_and_side_are_one_take() -> None:
    rows = [
        execution(1, 5, Side.SELL, 100, 3),
        execution(2, 5, Side.SELL, 102, 4),
        execution(3, 5, Side.BUY, 90),  # another side
        execution(4, 6, Side.BUY, 90),  # another time
        execution(5, 6, Side.BUY, 88, kind=5),  # something between
        execution(6, 6, Side.BUY, 89),
    ]
    first, second, third, hidden, last = group_takes(rows)
    assert isinstance(first, Take)
    assert (first.side, first.limit_e4, first.size, first.time_ns) == (Side.BUY, 102, 7, 5)
    assert second == Take((rows[2],))
    assert third == Take((rows[3],))
    assert hidden == rows[4]
    assert last == Take((rows[5],))
    assert isinstance(second, Take)
    assert second.side == Side.SELL


def test_a_take_ends_its_limit_at_the_worst_price_of_a_seller() -> None:
    (take,) = group_takes([execution(1, 5, Side.BUY, 100), execution(2, 5, Side.BUY, 98)])
    assert isinstance(take, Take)
    assert (take.side, take.limit_e4) == (Side.SELL, 98)

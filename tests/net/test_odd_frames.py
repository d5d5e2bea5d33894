"""Websocket frames that are no whole message are counted, wherever the stream is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipbook.net.odd_frames import OddFrames

from . import rude

BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG = 2, 1, 0, 8, 9, 10

sizes = st.sampled_from([0, 1, 125, 126, 127, 300, 65_535, 65_536, 70_000])
frames = st.tuples(
    st.sampled_from([BINARY, TEXT, CONTINUATION, CLOSE, PING, PONG]), sizes, st.booleans(), st.booleans()
)


@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 5_000), max_size=60), st.sampled_from([b"\r\n", b"\n"]))
@settings(max_examples=300, deadline=None)
def test_frames_are_counted_wherever_the_stream_is_cut(
    sent: list[tuple[int, int, bool, bool]], cuts: list[int], line: bytes
) -> None:
    stream = b"GET / HTTP/1.1" + line + b"Host: x" + line + line
    stream += b"".join(
        rude.frame(op, b"\x89\n\n" * (size // 3) + b"\0" * (size % 3), fin=fin, masked=m) for op, size, fin, m in sent
    )
    odd = OddFrames()
    found, at = 0, 0
    for cut in [*cuts, len(stream)]:
        found += odd.count(stream[at : at + cut])
        at += cut
    assert found == sum(1 for op, _, fin, _ in sent if op != CLOSE and not (op == BINARY and fin))


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_a_stream_in_small_pieces(cut: int) -> None:
    stream = (
        b"HTTP/1.1 101\r\n\r\n" + rude.frame(PING, b"x" * 10) + rude.frame(BINARY, b"y" * 200) + rude.frame(PING, b"")
    )
    odd = OddFrames()
    assert sum(odd.count(stream[at : at + cut]) for at in range(0, len(stream), cut)) == 2

"""Who is sent a certificate: members who have not shown after a while that they have it, once."""

from gossipbook.consensus.certificate import Certificate, Vote
from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.consensus.relaying import PENDING_CAP, RELAYED_CAP, Relaying

from .kit import Bench

AFTER_MS = 100
COMMITTEE = Bench("a").committee
PEERS = [seat.peer_id for seat in COMMITTEE.seats]


def relaying(seat: int | None = 0) -> Relaying:
    return Relaying(COMMITTEE, seat, AFTER_MS)


def certificate(kind: int, height: int, term: int = 0) -> Certificate:
    return Certificate(kind, term, height, bytes([height]) * 32, ())


def vote(kind: int, height: int, seat: int, term: int = 0) -> Vote:
    return Vote(kind, term, height, bytes([height]) * 32, seat, bytes(64))


def test_whoever_has_shown_nothing_is_sent_it_after_a_while_and_once() -> None:
    made = relaying()
    nc = certificate(PREPARE, 5)
    made.obtained(nc, 1_000)
    assert made.wait_ms(1_040) == 60
    assert made.take(1_099) == []
    assert made.take(1_100) == [(tuple(PEERS[1:]), nc)]
    made.obtained(nc, 1_200)
    assert made.take(9_999) == []
    assert made.wait_ms(9_999) is None


def test_what_shows_a_prepare_certificate() -> None:
    nc = certificate(PREPARE, 5, term=2)
    for shown, does in (
        (vote(COMMIT, 5, 1, term=2), True),
        (vote(COMMIT, 5, 1, term=3), True),
        (vote(PREPARE, 6, 1), True),
        (vote(PREPARE, 5, 1, term=2), False),
        (vote(COMMIT, 5, 1, term=1), False),
    ):
        made = relaying()
        made.obtained(nc, 0)
        made.voted(shown)
        ((to, _),) = made.take(AFTER_MS)
        assert (PEERS[1] not in to) is does, shown
        assert set(PEERS[2:]) <= set(to)


def test_what_shows_a_final_certificate() -> None:
    fc = certificate(COMMIT, 5)
    made = relaying()
    made.obtained(fc, 0)
    made.voted(vote(COMMIT, 5, 1))  # It shows the lock and no more.
    made.finalized(2, 5)
    made.finalized(3, 4)
    assert made.take(AFTER_MS) == [((PEERS[1], PEERS[3]), fc)]
    made = relaying()
    made.obtained(fc, 0)
    made.sent(1, fc)
    made.voted(vote(PREPARE, 6, 2))
    made.voted(vote(COMMIT, 7, 3))
    assert made.wait_ms(0) is None
    assert made.take(AFTER_MS) == []


def test_a_final_certificate_stands_for_the_prepare_certificate_of_its_height() -> None:
    made = relaying()
    below, nc, fc = certificate(PREPARE, 4), certificate(PREPARE, 5), certificate(COMMIT, 5, term=1)
    for each in (below, nc, fc):
        made.obtained(each, 0)
    assert [sent for _, sent in made.take(AFTER_MS)] == [below, fc]


def test_a_member_that_went_back_is_not_believed_to_have_less() -> None:
    made = relaying()
    made.finalized(1, 9)
    made.finalized(1, 3)
    made.obtained(certificate(COMMIT, 5), 0)
    ((to, _),) = made.take(AFTER_MS)
    assert PEERS[1] not in to


def test_seats_that_there_are_not_show_nothing_and_tables_have_caps() -> None:
    made = relaying()
    made.finalized(99, 5)
    made.voted(vote(COMMIT, 5, 0))  # The own seat.
    for height in range(2 * max(RELAYED_CAP, PENDING_CAP)):
        made.obtained(certificate(COMMIT, height), 0)
    assert len(made.take(AFTER_MS)) == PENDING_CAP

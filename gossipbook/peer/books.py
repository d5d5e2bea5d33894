"""The certified book of a pair, read from its engine when somebody asks for a snapshot."""

from collections.abc import Iterator

from gossipbook.books.snapshot import BookSnapshot, Row, book_rows
from gossipbook.effects import LinkId
from gossipbook.ids import PublicKey
from gossipbook.matching.commands import Side
from gossipbook.matching.engine import Engine
from gossipbook.peer.events import BookRead
from gossipbook.peer.pair_replica import PairReplica


class CertifiedBooks:
    """The last snapshot of each pair that was asked for."""

    def __init__(self) -> None:
        self._read: dict[str, BookSnapshot] = {}

    def read(self, pair: PairReplica, asker: LinkId) -> BookRead:
        """The pair's book as of its last finalized block."""
        snapshot = self._read.get(pair.symbol)
        if snapshot is None or snapshot.height != pair.replica.fin:
            snapshot = self._read[pair.symbol] = _snapshot(pair)
        return BookRead(asker, snapshot)


def engine_rows(engine: Engine) -> Iterator[Row]:
    """The rows of an engine's book as it is at this moment."""

    def resting(side: Side) -> Iterator[tuple[PublicKey, int, int, int, int]]:
        for author, client_id, price_ticks, shown_lots, _, hidden_lots in engine.open_orders(side):
            yield author, client_id, price_ticks, shown_lots, hidden_lots

    waiting, line = ([fields[:6] for fields in stops] for stops in (engine.waiting_orders(), engine.line()))
    return book_rows(resting, waiting, line)


def _snapshot(pair: PairReplica) -> BookSnapshot:
    with pair.replica.certified_view() as certified:
        engine = certified.engine
        return BookSnapshot(
            pair.symbol,
            pair.replica.fin,
            pair.replica.tip,
            certified.time_ms,
            engine.event_number,
            engine.last_trade_ticks,
            engine.pair_state,
            tuple(engine_rows(engine)),
        )

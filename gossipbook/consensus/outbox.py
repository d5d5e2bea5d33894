"""What one turn of a replica produces: records first, then what may leave."""

from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import ConsensusMessage
from gossipbook.consensus.records import ItemRecord
from gossipbook.crdt.interpretation import Item
from gossipbook.effects import CoreEffect, Effect, Lane, Persist, Send
from gossipbook.ids import OpId, PeerId
from gossipbook.ordered import BoundedDict

STORED_CAP = 131_072  # op ids known to be in the journal; one forgotten is recorded again, which does no harm


class Outbox:
    """Gathers effects so that no record ever comes after an output of the same turn."""

    def __init__(self, committee: Committee) -> None:
        self._symbol = committee.symbol
        self._records: list[CoreEffect] = []
        self._out: list[CoreEffect] = []
        self._stored: BoundedDict[OpId, None] = BoundedDict(STORED_CAP)

    def record(self, record: object) -> None:
        self._records.append(Persist(record))

    def send(self, to: tuple[PeerId, ...], message: ConsensusMessage, lane: Lane = Lane.CONSENSUS) -> None:
        if to:
            self._out.append(Send(to, message, lane))

    def put(self, *effects: CoreEffect) -> None:
        self._out += effects

    def extend(self, effects: list[Effect]) -> None:
        self._out += effects

    def store(self, items: list[Item]) -> None:
        """Record items that are not in the journal yet."""
        for item in items:
            if item.id not in self._stored:
                self._stored[item.id] = None
                self.record(ItemRecord(self._symbol, item))

    def stored(self, item: Item) -> None:
        """Note that an item is in the journal."""
        self._stored[item.id] = None

    def take(self, last_record: object | None) -> list[CoreEffect]:
        """Everything gathered, records first; ``last_record`` is put after the other records."""
        if last_record is not None:
            self.record(last_record)
        effects = self._records + self._out
        self._records, self._out = [], []
        return effects

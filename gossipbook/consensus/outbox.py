"""What one turn of a replica produces: records first, then what may leave."""

from gossipbook.consensus.block import Block
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.messages import ConsensusMessage
from gossipbook.consensus.records import BlockRecord, ItemRecord
from gossipbook.crdt.interpretation import Item
from gossipbook.effects import CoreEffect, Effect, Lane, Persist, Send
from gossipbook.ids import BlockId, OpId, PeerId
from gossipbook.ordered import BoundedDict

STORED_CAP = 131_072  # items in the journal that are not final; one forgotten is recorded again, which does no harm
STORED_BLOCKS_CAP = 64  # likewise


class Outbox:
    """Gathers effects so that no record ever comes after an output of the same turn."""

    def __init__(self, committee: Committee) -> None:
        self._symbol = committee.symbol
        self._records: list[CoreEffect] = []
        self._out: list[CoreEffect] = []
        self._stored: BoundedDict[OpId, None] = BoundedDict(STORED_CAP)
        self._stored_blocks: BoundedDict[BlockId, None] = BoundedDict(STORED_BLOCKS_CAP)

    def record(self, record: object) -> None:
        self._records.append(Persist(record))

    def send(
        self,
        to: tuple[PeerId, ...],
        message: ConsensusMessage,
        lane: Lane = Lane.CONSENSUS,
        *,
        at_once: bool = False,
    ) -> None:
        """``at_once``: without waiting for what the turn records."""
        if to:
            self._out.append(Send(to, message, lane, at_once))

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

    def store_block(self, block: Block) -> None:
        """Record a block that is not in the journal yet."""
        if block.id not in self._stored_blocks:
            self._stored_blocks[block.id] = None
            self.record(BlockRecord(self._symbol, block))

    def stored(self, item: Item) -> None:
        """Note that an item is in the journal."""
        self._stored[item.id] = None

    def final(self, items: list[Item]) -> None:
        """Forget items that are final: nobody stores them again."""
        for item in items:
            self._stored.pop(item.id)

    def take(self, last_record: object | None) -> list[CoreEffect]:
        """Everything gathered, records first; ``last_record`` is put after the other records."""
        if last_record is not None:
            self.record(last_record)
        effects = self._records + self._out
        self._records, self._out = [], []
        return effects

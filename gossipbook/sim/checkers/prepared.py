"""Of what is told as prepared, how much is taken back; and that no term prepares two blocks at one height (I1)."""

from collections import Counter

from gossipbook.books.prepared import PreparedLine
from gossipbook.consensus.records import Finalized, Prepared
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host


class PreparedChecker(Checker):
    """Follows what each honest peer tells of prepared blocks and of final ones."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Counter[str] = Counter()
        """Blocks that peers told as ``prepared`` and as ``taken back`` afterwards, each peer's word counted."""
        self._lines: dict[tuple[bytes, int, str], PreparedLine] = {}
        self._of_term: dict[tuple[str, int, int], bytes] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if host.faulty or not isinstance(event, Prepared | Finalized):
            return
        line = self._lines.setdefault((host.address, host.life, event.pair), PreparedLine())
        height, block_id = event.block.height, event.block.id
        if isinstance(event, Finalized):
            taken_back = line.final(height, block_id)
        else:
            self.counts["I1"] += 1
            term = event.nc.term
            if self._of_term.setdefault((event.pair, term, height), block_id) != block_id:
                text = f"{host.name} tells of a second block that term {term} prepared at height {height}"
                self.blame("I1", text, event.pair, height)
            is_news, taken_back = line.prepared(term, height, block_id)
            self.told["prepared"] += is_news
        self.told["taken back"] += len(taken_back)

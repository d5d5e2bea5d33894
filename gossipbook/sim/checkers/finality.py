"""I5: a finalized chain is only ever extended, also across restarts."""

from gossipbook.consensus.records import Finalized
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host
from gossipbook.storage.rows import FinalRow


class FinalityChecker(Checker):
    """Remembers the chain that each host has told, and compares it with the host's journal at every restart."""

    def __init__(self) -> None:
        super().__init__()
        self._chains: dict[tuple[bytes, str], list[bytes]] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty:
            return
        chain = self._chains.setdefault((host.address, event.pair), [])
        self.counts["I5"] += 1
        height, tip = event.block.height, chain[-1] if chain else None
        if height <= len(chain):
            again = "again" if chain[height - 1] == event.block.id else "another block"
            self.blame("I5", f"{host.name} finalizes {again} at height {height} of {event.pair}", event.pair, height)
        elif height > len(chain) + 1:
            self.blame("I5", f"{host.name} finalizes height {height} after {len(chain)}", event.pair, height)
        else:
            if tip is not None and event.block.parent != tip:
                self.blame("I5", f"block {height} at {host.name} is not on top of its tip", event.pair, height)
            chain.append(event.block.id)

    def started(self, host: Host, now_us: int) -> None:
        if host.faulty:
            return
        if host.observer_reason and not host.journal.rows():
            for symbol in self.view.manifest.symbols():
                self._chains.pop((host.address, symbol), None)  # Its disk was lost: it begins anew.
            return
        stored: dict[tuple[bytes, str], list[bytes]] = {}
        for row in host.journal.rows():
            if isinstance(row, FinalRow):
                stored.setdefault((host.address, row.pair), []).append(row.id)
        for symbol in self.view.manifest.symbols():
            key = (host.address, symbol)
            told, kept = self._chains.get(key, []), stored.get(key, [])
            self.counts["I5"] += 1
            if kept[: len(told)] != told:
                self.blame(
                    "I5", f"after a restart {host.name} has {len(kept)} blocks of {len(told)} that it told", symbol
                )
            self._chains[key] = kept

"""I9: no forged, foreign or replayed message changes state.

No honest peer is disconnected for another's fault, or held to a limit that is meant for floods.
"""

from gossipbook.consensus.records import Finalized
from gossipbook.effects import LinkId
from gossipbook.ids import PeerId
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host
from gossipbook.sim.traders import Trader


class AuthenticityChecker(Checker):
    """Checks that every certified op was signed by its author, and that only faulty peers are disconnected."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[bytes, None] = {}
        self._traders: dict[bytes, Trader] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty:
            return
        for item in event.items:
            if item.id in self._seen:
                continue
            self._seen[item.id] = None
            self.counts["I9"] += 1
            trader = self._trader(item.author)
            if trader is None:
                continue  # The liar's own authors; nobody else can sign for them.
            if not trader.signed(item.id):
                text = f"an op in the name of {trader.name} is final at {host.name}, and {trader.name} did not sign it"
                self.blame("I9", text, event.pair, event.block.height)

    def _trader(self, author: bytes) -> Trader | None:
        if len(self._traders) != len(self.view.traders):
            self._traders = {trader.identity.public_key: trader for trader in self.view.traders.values()}
        return self._traders.get(author)

    def disconnected(self, host: Host, link: LinkId, reason: str, now_us: int) -> None:
        other = self.view.host(link)
        if host.faulty or other is None:
            return
        self.counts["I9"] += 1
        if not other.faulty:
            self.blame("I9", f"{host.name} closed its link to the honest {other.name}: {reason}")

    def refused(self, host: Host, sender: PeerId, message: object, now_us: int) -> None:
        other = self.view.host(sender)
        if host.faulty or other is None:
            return
        self.counts["I9"] += 1
        if not other.faulty:
            self.blame("I9", f"{host.name} refused a {type(message).__name__} of the honest {other.name}: too many")

    def finish(self) -> None:
        """Check that no honest author is frozen; what strangers sign with keys of their own may be forked."""
        for host in self.view.honest():
            if host.peer is None:
                continue
            for symbol, pair in host.peer.pairs.items():
                for author, state in pair.certified.authors.items():
                    self.counts["I9"] += 1
                    trader = self._trader(author) if state.frozen else None
                    if trader is not None:
                        self.blame("I9", f"{host.name} froze {trader.name}, who never forked", symbol)

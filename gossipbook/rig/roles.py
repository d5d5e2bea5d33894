"""Which real peers sit in which committee, and who leads, by the peers' own word."""

from gossipbook.consensus.committee import Committee
from gossipbook.manifest import Manifest
from gossipbook.rig.peer_clients import PeerClients
from gossipbook.scenario.targets import Roles


class RealRoles:
    """The seats of every pair by peer index, and the roles of the first pair at the moment of asking."""

    def __init__(self, manifest: Manifest, peers: int, seed: int, clients: PeerClients) -> None:
        self.peers = range(peers)
        self._seed = seed
        self._clients = clients
        self._symbol = manifest.symbols()[0]
        index = {matcher.public_key: number for number, matcher in enumerate(manifest.matchers)}
        self.seats = {
            symbol: [index[seat.public_key] for seat in Committee.of(manifest, manifest.chain_id, symbol).seats]
            for symbol in manifest.symbols()
        }
        self.quorum = manifest.quorum.q

    def now(self) -> Roles:
        """Return the roles in the highest term that any peer says it is in; before anybody answers that is term 0."""
        word = self._clients.leading(self._symbol)
        term = 0 if word is None else word["term"]
        return Roles(self.peers, self.seats[self._symbol], self.quorum, term, self._seed)

"""What an embedded peer and its pairs tell in every face without being waited for."""

from gossipbook import embedded
from gossipbook.faces.base import Face, told
from gossipbook.manifest import Manifest


class PeerFacts(Face[embedded.EmbeddedPeer]):
    """What a peer knows by itself."""

    @property
    def manifest(self) -> Manifest:
        """The network's manifest."""
        return self._inner.manifest

    @property
    def addresses(self) -> list[str]:
        """Where others dial this peer."""
        return self._inner.addresses

    wallet = told(embedded.EmbeddedPeer.wallet)
    attach = told(embedded.EmbeddedPeer.attach)
    status = told(embedded.EmbeddedPeer.status)

"""What one peer decides for itself. The rest is the manifest's, and equal for all."""

from dataclasses import dataclass, field

from gossipbook.consensus.config import ConsensusConfig
from gossipbook.gossip.config import GossipConfig
from gossipbook.ids import PublicKey


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Settings of a peer core. ``pairs`` None follows all of the manifest's.

    ``clients`` are keys of clients whom this peer's operator knows: they may bring any number of unknown authors.
    """

    pairs: tuple[str, ...] | None = None
    gossip: GossipConfig = field(default_factory=GossipConfig)
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)
    clients: frozenset[PublicKey] = frozenset()
    faults_per_link_cap: int = 64  # forged or malformed messages before a link is closed; a guess

    @classmethod
    def local(cls) -> "PeerConfig":
        """All peers on one machine: short retries."""
        return cls(consensus=ConsensusConfig(fetch_retry_ms=200, sync_retry_ms=500, settle_ms=500))

    @classmethod
    def lan(cls) -> "PeerConfig":
        return cls()

    @classmethod
    def wan(cls) -> "PeerConfig":
        """Peers on several continents: patience for a few 300 ms round trips."""
        return cls(
            gossip=GossipConfig(promise_ms=1_500),
            consensus=ConsensusConfig(fetch_retry_ms=1_000, sync_retry_ms=3_000, settle_ms=3_000, help_pause_ms=500),
        )

"""The knobs of a DHT node, each with the source of its default."""

from dataclasses import dataclass, field

from gossipbook.dht.records import EXPIRY_CAP_MS, EXPIRY_MS
from gossipbook.dht.table import TableLimits
from gossipbook.errors import ConfigError

K_CAP = 20  # Maymounkov and Mazieres 2002, section 2.1.


@dataclass(frozen=True, slots=True)
class DhtConfig:
    """Durations in seconds, caps in pieces.

    Raises:
        ConfigError: a value is out of range or contradicts another one.
    """

    heartbeat_s: float = 10.0  # DESIGN: announce every 10 s ...
    expiry_s: float = EXPIRY_MS / 1000  # ... with a 30 s expiry.
    k: int = 8  # BEP 5: eight nodes a bucket, eight nodes a reply.
    alpha: int = 4  # Kademlia's paper uses 3; one more, since dead nodes are not waited for in turn.
    matcher_contacts: int = 4  # A guess: nodes of matchers asked besides the k nearest.
    request_timeout_s: float = 0.4  # Well under a second with a whole timeout at the end of a look-up.
    stall_s: float = 0.1  # A quarter of the timeout: a query silent for so long frees its place.
    lookup_timeout_s: float = 2.0  # A guess: five timeouts; what was found by then is the answer.
    dead_memory_s: float = 60.0  # A guess: six heartbeats.
    dead_cap: int = 1_024
    outstanding_cap: int = 1_024  # Requests of ours that wait for a reply.
    verify_cap: int = 64  # New nodes being verified at once; half of it is the matchers' alone.
    contacts_per_crawl: int = 64  # A guess: eight times k.
    pages_per_node: int = 64  # At four records a page more than a full key of one node.
    signatures_per_s: int = 2_000  # Of remote making; at 55 us each a tenth of one core.
    targets_cap: int = 1_024  # Keys whose k nearest nodes are remembered: a manifest's most pairs.
    targets_s: float = 60.0  # A guess: a full crawl for every sixth heartbeat.
    seeds_cap: int = 64  # Addresses remembered for bootstrapping, and good nodes returned.
    pings_per_refresh: int = 16  # Two buckets.
    send_buffer_bytes: int = 262_144  # Datagrams the kernel did not take yet; beyond it they are dropped.
    table: TableLimits = field(default_factory=TableLimits)

    def __post_init__(self) -> None:
        for name in ("heartbeat_s", "request_timeout_s", "stall_s", "lookup_timeout_s", "dead_memory_s", "targets_s"):
            _require(0 < getattr(self, name) <= 3600, f"{name}: expected more than 0 and at most an hour")
        for name in ("dead_cap", "outstanding_cap", "contacts_per_crawl", "pages_per_node", "targets_cap", "seeds_cap"):
            _require(1 <= getattr(self, name) <= 65_536, f"{name}: expected 1 to 65536")
        for name in ("verify_cap", "pings_per_refresh", "signatures_per_s", "send_buffer_bytes"):
            _require(2 <= getattr(self, name) <= 16_777_216, f"{name}: expected 2 to 16777216")
        _require(1 <= self.alpha <= self.k <= K_CAP, f"alpha, k: expected 1 <= alpha <= k <= {K_CAP}")
        _require(0 <= self.matcher_contacts <= self.k, "matcher_contacts: expected 0 to k")
        _require(self.contacts_per_crawl >= 2 * self.k, "contacts_per_crawl: expected at least twice k")
        _require(self.stall_s <= self.request_timeout_s, "stall_s: expected at most request_timeout_s")
        _require(
            self.request_timeout_s <= self.lookup_timeout_s, "lookup_timeout_s: expected a whole request_timeout_s"
        )
        _require(2 * self.heartbeat_s <= self.expiry_s, "expiry_s: expected two heartbeats, or one loss ends a record")
        _require(self.expiry_s * 1000 <= EXPIRY_CAP_MS, f"expiry_s: others refuse more than {EXPIRY_CAP_MS // 1000} s")


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ConfigError(f"dht: {problem}")

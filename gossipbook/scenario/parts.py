"""The parts of a scenario: network, workload, wardens, faults, expectations and budget.

:data:`FAULTS` says which keys each kind of fault knows.
"""

from dataclasses import dataclass

STRANGERS = ("poisoner", "forger-of-evidence", "parker", "table-filler", "questioner")
"""Those of the following who are no peers: each has keys of its own, and links that anybody may have."""

ADVERSARIES = (
    "equivocating-leader",
    "equivocating-author",
    "silent-leader",
    "censoring-leader",
    "front-runner",
    "forger",
    "replayer",
    "flooder",
    "outdated-member",
    "vote-withholder",
    "push-withholder",
    "late-pusher",
    "twins",
    "slow-leader",
    *STRANGERS,
)
"""Kinds of fault that are a liar at work: each is one module of :mod:`gossipbook.sim.adversaries`."""

FAULTS: dict[str, tuple[str, ...]] = {
    "partition": ("shape", "who", "leader", "flap_s", "when"),
    "loss": ("share", "who"),
    "duplicate": ("share", "who"),
    "reorder": ("share", "who"),
    "delay": ("delay_ms", "who"),
    "bandwidth": ("kbit_s", "who"),
    "pause": ("who",),
    "crash": ("who",),
    "torn-write": ("who",),
    "rolling-restart": ("who", "gap_s"),
    "disk": ("trouble", "who"),
    "clock": ("skew_ms", "rate_ppm", "who"),
    "final-to-one": (),
    **dict.fromkeys(ADVERSARIES, ("who",)),
}
"""Which keys each kind of fault knows, besides ``kind``, ``at_s`` and ``for_s``."""


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """The peers and the wires between them. The first ``committee`` seats are drawn from ``matchers`` peers."""

    peers: int = 4
    matchers: int = 0  # 0: as many as the committee has seats
    committee: int = 4
    fault_model: str = "byzantine"
    preset: str = "local"
    pairs: int = 1
    delay: str = "uniform"
    delay_ms: tuple[float, float] = (10.0, 40.0)  # least and most: peers in one region; heavy-tailed may go beyond
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    kbit_s: int = 0  # of each link and direction; 0 is no limit
    links: int = 0  # that each peer dials; 0 dials everybody
    views: str = "full"  # or divergent: each peer knows of its own half of the others
    clock_skew_ms: int = 0  # each peer's clock is off by up to so much
    timeout_base_ms: int = 1_000
    signatures: str = "stub"


@dataclass(frozen=True, slots=True)
class WorkloadPart:
    """The orders of a run, the same for the same seed whatever the faults. ``flow`` may name a LOBSTER file."""

    seconds: float = 10.0
    ops_per_s: float = 5.0
    makers: int = 1
    noise: int = 2
    takers: int = 1
    cancellers: int = 1
    levels: int = 3  # that a maker quotes on each side
    expiring: float = 0.0  # the share of ops that may not run later than two seconds after they were signed
    flow: str = "agents"
    special: float = 0.0  # the share of orders that are icebergs, stops, post-only with slide, or ask for a minimum
    leases: bool = False  # makers hold a lease, and renew it with every quote
    loyal: bool = False  # no author asks another peer than its own, not even if that is mute


@dataclass(frozen=True, slots=True)
class WardenPart:
    """A command of the network's warden, which sets all pairs to a state at a time after the first order."""

    state: str
    at_s: float = 1.0


@dataclass(frozen=True, slots=True)
class FaultPart:
    """One fault and its time, in seconds from the first order. ``for_s`` 0 lasts until the heal."""

    kind: str
    at_s: float = 1.0
    for_s: float = 0.0
    who: str = ""
    shape: str = "halves"
    leader: str = "minority"
    flap_s: float = 0.0
    when: str = "at once"
    share: float = 0.1
    delay_ms: tuple[float, float] = (20.0, 200.0)
    kbit_s: int = 256
    gap_s: float = 1.0
    trouble: str = "fails"
    skew_ms: int = 0
    rate_ppm: int = 0

    def described(self) -> str:
        """Describe the fault in one line."""
        plain = FaultPart(self.kind)
        said = [name for name in FAULTS[self.kind] if name == "shape" or getattr(self, name) != getattr(plain, name)]
        own = [f"{name}={getattr(self, name)}" for name in said]
        span = f"{self.at_s:g}..{self.at_s + self.for_s:g} s" if self.for_s else f"from {self.at_s:g} s"
        return f"{self.kind} {span} {' '.join(own)}".rstrip()


@dataclass(frozen=True, slots=True)
class ExpectPart:
    """What a run must show, else its verdict is unknown; it is invalid if the heal takes longer than ``heal_s``.

    From ``lease_ends`` on only what happens before the heal counts.
    """

    fills: int = 1
    term_changes: int = -1  # -1: one if there is a partition, else none
    heal_s: float = 60.0
    observers: int = 0  # members that may have to stop voting because their disk lost what they voted
    lease_ends: int = 0
    empty_blocks: int = 0  # which a lease's end or a triggered order called for
    triggers: int = 0
    slices: int = 0  # of icebergs
    auctions: int = 0  # that ended with a trade


HAPPENINGS = ("lease_ends", "empty_blocks", "triggers", "slices", "auctions")
"""The keys of ``[expect]`` that count what happens in the market before the heal."""


@dataclass(frozen=True, slots=True)
class BudgetPart:
    """What one seed may cost in time and messages."""

    wall_s: float = 2.0
    deliveries: int = 0  # 0: sixty for each peer and each op or twentieth of a second

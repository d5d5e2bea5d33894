"""Rules for the values of a scenario's keys, each with a text that names the key."""

import difflib
import math

from gossipbook.manifest import COMMITTEE_CAP, MATCHERS_CAP
from gossipbook.matching.commands import PairState
from gossipbook.scenario.partitions import LEADER_SIDES, SHAPES
from gossipbook.scenario.parts import FaultPart, NetworkPart, WardenPart, WorkloadPart
from gossipbook.scenario.targets import WHO, WHO_WORDS

DISK_TROUBLES = ("fails", "full", "flips")
MOMENTS = ("at once", "prepared")
DELAYS = ("fixed", "uniform", "normal", "heavy-tailed")
PEERS_CAP = 2_000
SPAN_CAP_S = 3_600
LEVELS_CAP = 50  # a quote is one op, and an op has a cap
AGENTS_CAP = 10_000
DAY_MS = 24 * 3_600 * 1_000
FULL_BLOCK_MS = 200  # the manifest's default for the work of a full block
STATES = {state.word: state for state in PairState}
"""What a warden may set a pair to."""


def nearest(word: str, known: list[str]) -> str:
    """Name the known word nearest to an unknown one; all of them if none is near."""
    found = difflib.get_close_matches(word, known, 1, 0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; it has {', '.join(known)}"


def network_rules(n: NetworkPart) -> list[tuple[bool, str]]:
    """Return for each rule on the network whether it holds, and its text."""
    matchers = n.matchers or n.committee
    least_ms = 6 * max(1, math.ceil(n.delay_ms[1])) + 2 * FULL_BLOCK_MS if n.delay_ms[1] < DAY_MS else DAY_MS
    return [
        (1 <= n.peers <= PEERS_CAP, f"[network] peers: 1 to {PEERS_CAP}"),
        (1 <= n.committee <= matchers <= n.peers, "[network] committee <= matchers <= peers, and at least 1"),
        (n.committee <= COMMITTEE_CAP, f"[network] committee: at most {COMMITTEE_CAP} seats"),
        (matchers <= MATCHERS_CAP, f"[network] matchers: at most {MATCHERS_CAP}"),
        (n.fault_model in ("byzantine", "crash"), "[network] fault_model: byzantine or crash"),
        (n.fault_model == "crash" or n.committee >= 4, "[network] committee: a byzantine one has at least 4 seats"),
        (n.preset in ("local", "lan", "wan"), "[network] preset: local, lan or wan"),
        (1 <= n.pairs <= 16, "[network] pairs: 1 to 16"),
        (n.delay in DELAYS, f"[network] delay: one of {', '.join(DELAYS)}"),
        (0 <= n.delay_ms[0] <= n.delay_ms[1], "[network] delay_ms: least and most, in this order"),
        (n.views in ("full", "divergent"), "[network] views: full or divergent"),
        (n.signatures in ("stub", "real"), "[network] signatures: stub or real"),
        (min(n.kbit_s, n.links) >= 0, "[network] kbit_s and links are not negative"),
        (0 <= n.clock_skew_ms <= DAY_MS, "[network] clock_skew_ms: up to a day"),
        (
            least_ms <= n.timeout_base_ms <= DAY_MS,
            f"[network] timeout_base_ms: at least six of the longest delays and {2 * FULL_BLOCK_MS} ms",
        ),
        (all(0 <= x <= 1 for x in (n.loss, n.duplicate, n.reorder)), "[network] shares are between 0 and 1"),
    ]


def workload_rules(w: WorkloadPart) -> list[tuple[bool, str]]:
    """Return the rules on the workload, as :func:`network_rules`."""
    agents = (w.makers, w.noise, w.takers, w.cancellers)
    return [
        (0 < w.seconds <= SPAN_CAP_S, "[workload] seconds: up to an hour"),
        (w.ops_per_s == 0 or 0.001 <= w.ops_per_s <= 10_000, "[workload] ops_per_s: 0, or 0.001 to 10000"),
        (all(0 <= count <= AGENTS_CAP for count in agents), f"[workload] traders: up to {AGENTS_CAP} of a kind"),
        (sum(agents) > 0, "[workload] somebody must trade"),
        (0 <= w.levels <= LEVELS_CAP, f"[workload] levels: up to {LEVELS_CAP}"),
        (0 <= w.expiring <= 1, "[workload] expiring: a share is between 0 and 1"),
        (0 <= w.special <= 1, "[workload] special: a share is between 0 and 1"),
    ]


def fault_rules(fault: FaultPart) -> list[tuple[bool, str]]:
    """Return the rules on one fault, as :func:`network_rules`."""
    low_ms, high_ms = fault.delay_ms
    return [
        (0 <= fault.at_s <= SPAN_CAP_S and 0 <= fault.for_s <= SPAN_CAP_S, "at_s and for_s: from 0 up to an hour"),
        (fault.shape in SHAPES, f"shape: one of {', '.join(SHAPES)}{nearest(fault.shape, list(SHAPES))}"),
        (fault.leader in LEADER_SIDES, f"leader: one of {', '.join(LEADER_SIDES)}"),
        (fault.trouble in DISK_TROUBLES, f"trouble: one of {', '.join(DISK_TROUBLES)}"),
        (fault.when in MOMENTS, f"when: one of {', '.join(MOMENTS)}"),
        (0 <= fault.share <= 1, "share: between 0 and 1"),
        (fault.kbit_s > 0, "kbit_s: above 0"),
        (0 <= low_ms <= high_ms <= 60_000, "delay_ms: least and most, in this order, up to a minute"),
        (fault.flap_s == 0 or 0.01 <= fault.flap_s <= SPAN_CAP_S, "flap_s: 0, or from 0.01 up to an hour"),
        (0.01 <= fault.gap_s <= SPAN_CAP_S, "gap_s: from 0.01 up to an hour"),
        (abs(fault.skew_ms) <= DAY_MS, "skew_ms: up to a day either way"),
        (-900_000 <= fault.rate_ppm <= 9_000_000, "rate_ppm: a clock runs at a tenth to ten times its speed"),
        (not fault.who or WHO.fullmatch(fault.who) is not None, f"who: {fault.who!r} names nobody; say {WHO_WORDS}"),
    ]


def warden_rules(warden: WardenPart) -> list[tuple[bool, str]]:
    """Return the rules on one warden's command, as :func:`network_rules`."""
    return [
        (0 <= warden.at_s <= SPAN_CAP_S, "at_s: from 0 up to an hour"),
        (warden.state in STATES, f"state: one of {', '.join(STATES)}{nearest(warden.state, list(STATES))}"),
    ]

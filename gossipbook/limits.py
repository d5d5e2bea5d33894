"""What a manifest says in numbers: the limits that decide what a committee may certify, and its durations."""

from dataclasses import dataclass, fields

from gossipbook.errors import ManifestError

LIMITS_SINCE = {
    "max_commands_per_author_per_s": 2,
    "max_triggers_per_block": 2,
    "max_block_work": 3,
    "max_op_work": 3,
    "max_newcomers_per_block": 3,
    "author_retention_ms": 3,
    "max_blocks_in_flight": 5,
}
"""Limits that only later rules have, and since which version."""
DEPTH_SINCE = LIMITS_SINCE["max_blocks_in_flight"]
"""The rules version since when a leader may have several heights in flight."""
LIMITS_UNTIL = {"max_triggers_per_block": 2}
"""Limits that only earlier rules have, and until which version."""
OPEN_ORDERS_BEFORE_3 = 20_000
"""The default of ``max_open_orders_per_author`` in networks whose rules do not bound a block's work."""

DEPTH_CAP = 16

COMMANDS_PER_OP_CAP = 256
SIGNATURE_BYTES = 64  # of an op, beside what max_op_bytes is of
AUTHORS_CAP = 32_768
OP_BYTES_LEAST = 512
OP_WORK_LEAST = 8
LEAVING_WORK = 67  # beside orders: a lease, a group, 64 admitted to one's own, and the leaving itself
BLOCK_BYTES_CAP = 65_536  # of ops, so that a block's bodies fit one frame
BLOCK_WORK_CAP = 65_536
"""The most that a block may do, and so the most events that it has."""
WORK_NS = 25_000
"""What a unit of a block's work costs at most, compiled, with its share of the events digest, where a loop of twenty
million additions takes a second (benchmarks/blocks.py)."""
SIGNATURE_NS = 100_000
"""What checking an op's signature costs at most; a guess above what is measured (benchmarks/ops.py)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that every peer must apply alike, because they decide what a committee may certify."""

    max_authors_per_pair: int = 10_000
    max_open_orders_per_author: int = 1_024
    max_open_orders_per_pair: int = 1_000_000
    max_commands_per_op: int = COMMANDS_PER_OP_CAP
    max_op_bytes: int = 16_384
    max_block_ops: int = 512
    max_block_bytes: int = 65_536
    max_block_commands: int = 4_096
    author_window: int = 1_024  # ops above an author's next_seq that a pool takes
    max_commands_per_author_per_s: int = 0  # places and amends in a second of block time; 0: no limit
    max_triggers_per_block: int = 256
    max_block_work: int = 2_048  # events written and orders looked at, after which a block takes no op any more
    max_op_work: int = 2_048  # the same of one op, after which it matches nothing any more
    max_newcomers_per_block: int = 64  # authors whom a block may let into the table
    author_retention_ms: int = 3_600_000  # block time after which an author with nothing open leaves the table
    max_blocks_in_flight: int = 8  # of one leader, each proposed before the one under it is final

    @property
    def most_work(self) -> int:
        """What the largest block does: a full one but for one unit, and an op whose last command cancels all.

        Or somebody leaves at that point.
        """
        last = max(self.max_op_work + self.max_commands_per_op, LEAVING_WORK)
        return self.max_block_work + last + self.max_open_orders_per_author

    def depth(self, rules_version: int) -> int:
        """How many heights of one leader may be in flight in a network of a rules version."""
        return self.max_blocks_in_flight if rules_version >= DEPTH_SINCE else 1

    @classmethod
    def of(cls, rules_version: int, **changed: int) -> "Limits":
        """The defaults of networks of a rules version, but for what is given."""
        if rules_version < 3:
            changed.setdefault("max_open_orders_per_author", OPEN_ORDERS_BEFORE_3)
        return cls(**changed)


def limit_names(rules_version: int) -> list[str]:
    """The limits that networks of a rules version have, in the order of a manifest's canonical form."""
    return [
        f.name
        for f in fields(Limits)
        if LIMITS_SINCE.get(f.name, 1) <= rules_version <= LIMITS_UNTIL.get(f.name, rules_version)
    ]


DEFAULT_LIMITS = Limits()
"""Stands for the defaults of whichever rules version a manifest has."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in milliseconds.

    ``timeout_base_ms`` must cover six network delays and twice the work of a full block
    (DESIGN: base >= 6 delays + 2 x (verify + execute + sync)). Where several blocks are in flight, an honest leader has
    no more than that in all of them (:mod:`gossipbook.consensus.proposing`).
    """

    network_delay_ms: int = 100
    full_block_ms: int = 200
    timeout_base_ms: int = 1_000
    inclusion_age_ms: int = 5_000
    clock_tolerance_ms: int = 2_000

    @property
    def timeout_cap_ms(self) -> int:
        """The longest a term may wait: max(16 x base, 60 s)."""
        return max(16 * self.timeout_base_ms, 60_000)


def check_numbers(limits: Limits, timing: Timing, rules_version: int) -> None:
    """Raise :class:`ManifestError`, naming the key that is wrong."""
    for part in (limits, timing):
        for f in fields(part):
            least = 0 if f.name == "max_commands_per_author_per_s" else 1
            if not least <= getattr(part, f.name) <= 10**9:
                raise ManifestError(f"{f.name}: expected {least} to 10**9, not {getattr(part, f.name)}")
    for name, since in LIMITS_SINCE.items():
        if rules_version < since and getattr(limits, name) != getattr(Limits(), name):
            raise ManifestError(f"{name}: needs rules_version {since}")
    for name, until in LIMITS_UNTIL.items():
        if rules_version > until and getattr(limits, name) != getattr(Limits(), name):
            raise ManifestError(f"{name}: is not in networks of rules_version {until + 1} and above")
    if rules_version >= 3:
        _check_work(limits, timing)
        _check_stays(limits, timing)
    if limits.max_commands_per_op > COMMANDS_PER_OP_CAP:
        raise ManifestError(f"max_commands_per_op: at most {COMMANDS_PER_OP_CAP}")
    if limits.max_block_commands < limits.max_commands_per_op:
        raise ManifestError("max_block_commands: a block must have room for one op of max_commands_per_op")
    if limits.max_block_bytes < 2 * (limits.max_op_bytes + SIGNATURE_BYTES):
        raise ManifestError("max_block_bytes: a block must have room for evidence, which is two ops of max_op_bytes")
    if limits.max_block_bytes > BLOCK_BYTES_CAP or limits.max_block_ops > 1_024:
        raise ManifestError("max_block_bytes / max_block_ops: at most 65536 and 1024, so that a block fits one frame")
    floor = 6 * timing.network_delay_ms + 2 * timing.full_block_ms
    if timing.timeout_base_ms < floor:
        raise ManifestError(f"timeout_base_ms: must be at least 6 network_delay_ms + 2 full_block_ms = {floor}")
    if limits.max_blocks_in_flight > DEPTH_CAP:
        raise ManifestError(f"max_blocks_in_flight: at most {DEPTH_CAP}")


def _check_stays(limits: Limits, timing: Timing) -> None:
    """Half of the time that authors stay is what a life's first op is good for; and they can leave at all."""
    least_ms = 2 * max(timing.inclusion_age_ms, 2 * timing.clock_tolerance_ms, 2 * timing.timeout_base_ms)
    if limits.author_retention_ms < least_ms:
        raise ManifestError(
            f"author_retention_ms: at least {least_ms}: twice inclusion_age_ms, and four times clock_tolerance_ms and "
            "timeout_base_ms"
        )
    if limits.max_authors_per_pair > AUTHORS_CAP:
        raise ManifestError(f"max_authors_per_pair: at most {AUTHORS_CAP}, who are looked at while the book is crowded")
    most = BLOCK_BYTES_CAP // 3 - SIGNATURE_BYTES
    if limits.max_op_bytes > most:
        raise ManifestError(f"max_op_bytes: at most {most}, so that a block has room for an op beside evidence")
    for name, least in (
        ("max_op_bytes", OP_BYTES_LEAST),
        ("max_block_ops", 2),
        ("max_block_commands", 2 * limits.max_commands_per_op),
        ("max_block_bytes", 3 * (limits.max_op_bytes + SIGNATURE_BYTES)),
    ):
        if getattr(limits, name) < least:
            raise ManifestError(f"{name}: at least {least}, so that nobody keeps a block too full for others to leave")


def _check_work(limits: Limits, timing: Timing) -> None:
    """A block's work is bounded by what a member can execute in the time that it has for it, and a client takes."""
    if limits.max_op_work < OP_WORK_LEAST:
        raise ManifestError(f"max_op_work: at least {OP_WORK_LEAST}, so that an order can meet others")
    if limits.most_work > BLOCK_WORK_CAP:
        raise ManifestError(
            f"max_block_work: with max_op_work and one op's cancels a block does at most {BLOCK_WORK_CAP}"
        )
    if limits.max_open_orders_per_author > limits.max_op_work:
        raise ManifestError(
            f"max_open_orders_per_author: at most max_op_work = {limits.max_op_work}, so that one op can cancel all"
        )
    most_us = (limits.most_work * WORK_NS + limits.max_block_ops * SIGNATURE_NS) // 1_000
    if timing.full_block_ms * 1_000 < most_us:
        raise ManifestError(
            f"full_block_ms: a block with max_block_work, max_op_work and max_block_ops takes {-(-most_us // 1_000)} ms"
        )

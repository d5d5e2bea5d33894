"""How much of a block's limits its items take, and whether it has room for more."""

from collections.abc import Iterable
from dataclasses import dataclass

from gossipbook.crdt.op import Evidence, Op
from gossipbook.ids import SIGNATURE_BYTES
from gossipbook.limits import Limits


@dataclass(slots=True)
class Budget:
    """How much of a block's limits is used."""

    limits: Limits
    rules: int = 1
    ops: int = 0
    bytes: int = 0
    commands: int = 0

    def fits(self, item: Op | Evidence) -> bool:
        return self._has(self._charge(item), commands_in(item))

    def take(self, item: Op | Evidence) -> None:
        self.ops += 1
        self.bytes += self._charge(item)
        self.commands += commands_in(item)

    def fits_any(self) -> bool:
        """Whether there is room for one item more, whichever it is."""
        return self._has(self._evidence_charge(), self.limits.max_commands_per_op)

    def _has(self, size: int, commands: int) -> bool:
        limits = self.limits
        return (
            self.ops + 1 <= limits.max_block_ops
            and self.bytes + size <= limits.max_block_bytes
            and self.commands + commands <= limits.max_block_commands
        )

    def _charge(self, item: Op | Evidence) -> int:
        """Bytes that an item takes of a block's limit.

        Members may hold different evidence against one author under the one id that it has, so from rules version 3 on
        it is charged as the largest that there can be.
        """
        if isinstance(item, Evidence) and self.rules >= 3:
            return self._evidence_charge()
        return item.size

    def _evidence_charge(self) -> int:
        return 2 * (self.limits.max_op_bytes + SIGNATURE_BYTES)


def budget_of(items: Iterable[Op | Evidence], limits: Limits, rules: int) -> Budget:
    """What some items take of a block's limits."""
    budget = Budget(limits, rules)
    for item in items:
        budget.take(item)
    return budget


def commands_in(item: Op | Evidence) -> int:
    return 0 if isinstance(item, Evidence) else len(item.commands)


def within_limits(items: Iterable[Op | Evidence], limits: Limits, rules: int) -> bool:
    """Whether a block of these items keeps to the manifest's block limits."""
    budget = Budget(limits, rules)
    for item in items:
        if not budget.fits(item):
            return False
        budget.take(item)
    return True

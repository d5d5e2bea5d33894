"""What a leader puts into a fresh block, and what a voter demands that it put in.

The leader goes round the authors, the one longest waiting first, one op each a round, until the block is
full. A voter holds it to that: an op that has been due for longer than the inclusion age may be missing
only from a block without room for it, and then only if no author has two ops in the block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gossipbook.consensus.block import BLOCK_OPS_CAP
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import Evidence
from gossipbook.crdt.op_set import OpSet
from gossipbook.ids import SIGNATURE_BYTES, OpId, PublicKey
from gossipbook.limits import Limits


@dataclass(slots=True)
class Budget:
    """How much of a block's limits is used."""

    limits: Limits
    rules: int = 1
    ops: int = 0
    bytes: int = 0
    commands: int = 0

    def fits(self, item: Item) -> bool:
        return (
            self.ops + 1 <= min(self.limits.max_block_ops, BLOCK_OPS_CAP)
            and self.bytes + self._charge(item) <= self.limits.max_block_bytes
            and self.commands + commands_in(item) <= self.limits.max_block_commands
        )

    def take(self, item: Item) -> None:
        self.ops += 1
        self.bytes += self._charge(item)
        self.commands += commands_in(item)

    def _charge(self, item: Item) -> int:
        """Bytes that an item takes of a block's limit.

        Members may hold different evidence against one author under the one id that it has, so from rules version 3 on
        it is charged as the largest that there can be.
        """
        if isinstance(item, Evidence) and self.rules >= 3:
            return 2 * (self.limits.max_op_bytes + SIGNATURE_BYTES)
        return item.size


def commands_in(item: Item) -> int:
    return 0 if isinstance(item, Evidence) else len(item.commands)


def within_limits(items: Sequence[Item], limits: Limits, rules: int) -> bool:
    """Whether a block of these items keeps to the manifest's block limits."""
    budget = Budget(limits, rules)
    for item in items:
        if not budget.fits(item):
            return False
        budget.take(item)
    return True


def select(ops: OpSet, certified: Interpretation, limits: Limits) -> list[Item]:
    """The items of a fresh block, in no particular order."""
    budget = Budget(limits, certified.rules)
    chosen: list[Item] = []
    rows: list[tuple[PublicKey, list[Item]]] = []
    newcomers = 0
    for author, log in sorted(ops.eligible(), key=lambda entry: (entry[1].eligible_since_ms, entry[0])):
        if author not in certified.authors:
            if not certified.has_room_for(author, newcomers):
                continue
            newcomers += 1
        rows.append((author, [log.evidence] if log.evidence is not None else list[Item](log.main)))
    round_number = 0
    while rows:
        kept: list[tuple[PublicKey, list[Item]]] = []
        full = False
        for author, items in rows:
            if not budget.fits(items[round_number]):
                full = True
                continue
            budget.take(items[round_number])
            chosen.append(items[round_number])
            if len(items) > round_number + 1:
                kept.append((author, items))
        if full:
            break  # A second op of anybody would go before somebody's first.
        rows = kept
        round_number += 1
    return chosen


def next_items(ops: OpSet) -> list[tuple[Item, int]]:
    """Each author's next eligible item and the timer time since when it has been the next."""
    found: list[tuple[Item, int]] = []
    for _, log in ops.eligible():
        if log.evidence is not None:
            found.append((log.evidence, log.evidence_since_ms))
        else:
            found.append((log.main[0], log.eligible_since_ms))
    return found


def unjustly_omitted(
    items: Sequence[Item],
    ops: OpSet,
    certified: Interpretation,
    limits: Limits,
    term_started_ms: int,
    timer_ms: int,
    inclusion_age_ms: int,
) -> Item | None:
    """A due item that a fresh block of these items has no excuse to leave out."""
    named = {item.id for item in items}
    per_author: dict[PublicKey, int] = {}
    budget = Budget(limits, certified.rules)
    for item in items:
        budget.take(item)
        per_author[item.author] = per_author.get(item.author, 0) + 1
    somebody_has_two = any(count > 1 for count in per_author.values())
    newcomers = sum(1 for author in per_author if author not in certified.authors)
    for item, since_ms in next_items(ops):
        due = timer_ms - max(since_ms, term_started_ms) > inclusion_age_ms
        if (
            due
            and certified.has_room_for(item.author, newcomers)
            and item.id not in named
            and item.author not in per_author
            and (budget.fits(item) or somebody_has_two)
        ):
            return item
    return None


def due_ids(ops: OpSet, cap: int) -> tuple[OpId, ...]:
    """Ids of eligible ops, each author's next first, then each author's second, and so on."""
    rows: list[Sequence[Item]] = [
        (log.evidence,) if log.evidence is not None else log.main for _, log in ops.eligible()
    ]
    ids: list[OpId] = []
    place = 0
    while rows and len(ids) < cap:
        ids += [row[place].id for row in rows]
        place += 1
        rows = [row for row in rows if len(row) > place]
    return tuple(ids[:cap])

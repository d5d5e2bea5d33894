"""How the effects of a turn are cut into transactions: the one rule of durability that every driver shares."""

from gossipbook.consensus.records import VoteRecord
from gossipbook.effects import Effect, Persist


def transactions(effects: list[Effect]) -> list[list[Effect]]:
    """Cut a list of effects so that no part holds two vote states of one pair.

    In one transaction the later would replace the earlier, whose votes would then leave without ever having been
    on disk themselves.
    """
    parts: list[list[Effect]] = [[]]
    voted: set[str] = set()
    for effect in effects:
        if isinstance(effect, Persist) and isinstance(effect.record, VoteRecord):
            if effect.record.pair in voted:
                parts.append([])
                voted.clear()
            voted.add(effect.record.pair)
        parts[-1].append(effect)
    return parts

"""How the effects of a turn are cut into transactions: the one rule of durability that every driver shares."""

from gossipbook.consensus.records import VoteRecord
from gossipbook.effects import Effect, Emit, Lane, Persist, Send, SetTimer


def at_once(effects: list[Effect], *, writing: bool = False) -> tuple[list[Effect], list[Effect]]:
    """The effects of a turn that wait for no record, and the others, which wait for all records up to them.

    Timers are among the first: what they lead to is a turn of its own, behind this one.

    ``writing``: records of earlier turns are on their way to the disk. Then only what consensus waits for leaves at
    once: ops that come to a busy peer one by one leave together, in a frame that costs as much as one of a single op.
    """
    free: list[Effect] = []
    others: list[Effect] = []
    for effect in effects:
        match effect:
            case Send(_, _, lane, True):
                leaves = not writing or lane is Lane.CONSENSUS
            case Emit(_, leaves):
                pass
            case _:
                leaves = isinstance(effect, SetTimer)
        (free if leaves else others).append(effect)
    return free, others


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

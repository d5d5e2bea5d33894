"""Which votes, TIMEOUTs and proposals a peer passes on: one of each slot, of heights and terms that are near."""

from gossipbook.consensus.member import Member
from gossipbook.consensus.messages import FinalizedBlock
from gossipbook.consensus.relevance import Gossiped, Slot, relay_slot
from gossipbook.ordered import BoundedDict
from gossipbook.refusals import Scope

RELAYED_CAP = 1_024
"""Slots that are remembered."""
NOT_RELAYED = "not relayed: of a far height or term, or a second one of its seat"


class Relays:
    """What one pair's replica passed on."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._slots: BoundedDict[Slot, None] = BoundedDict(RELAYED_CAP)

    def take(self, message: Gossiped) -> bool:
        """Whether to pass on a message that is genuine and was not here before."""
        if isinstance(message, FinalizedBlock):
            return True
        slot = relay_slot(message, self._member)
        if slot is None or slot in self._slots:
            self._member.refusals.count(Scope.MESSAGE, NOT_RELAYED)
            return False
        self._slots[slot] = None
        return True

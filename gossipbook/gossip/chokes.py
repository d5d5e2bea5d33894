"""Eager push with choke: of each source on a topic, messages come from one peer; some of the others announce theirs.

A source is whoever messages come from in the first place: an author, or, for finalized blocks, nobody in particular.
Whoever delivers first is the *parent* for a source.

Upon a duplicate from another peer: CHOKE it for that source; the first few are to announce what they would have pushed.
Upon a first delivery by another peer, pushed or asked for: it is the parent from now on, and unchoked. What the old one
    pushes afterwards is a duplicate.
Upon the loss of a parent or an announcer, by its link or out of the mesh: UNCHOKE all of the topic with everybody.

So a settled network moves each message over the edges of a tree, another one for each source, and a parent that
withholds or is late costs the time until an announcer is asked. Nothing here makes a message go amiss: who is choked
announces, and who forgets a choke pushes.
"""

from dataclasses import dataclass, field

from gossipbook.effects import Effect, Lane, Send
from gossipbook.gossip.config import GossipConfig
from gossipbook.gossip.messages import Choke, Source, Topic, Unchoke
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

HERE: PeerId = b""
"""The parent of what this peer itself published."""


@dataclass(slots=True)
class _Inward:
    """From whom messages of a source come, and who is choked for it: whether each announces."""

    parent: PeerId
    choked: dict[PeerId, bool] = field(default_factory=dict)


class Chokes:
    """What this peer asked of others (inward), and they of it (outward)."""

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._inward: BoundedDict[tuple[Topic, Source], _Inward] = BoundedDict(config.sources_cap)
        self._outward: dict[PeerId, BoundedDict[tuple[Topic, Source], bool]] = {}

    # -- inward -------------------------------------------------------------------------------------

    def delivered(self, topic: Topic, source: Source, sender: PeerId | None) -> list[Effect]:
        """A message came for the first time; ``sender`` None if this peer published it."""
        sender = HERE if sender is None else sender
        held = self._inward.get((topic, source))
        if held is None:
            self._inward[topic, source] = _Inward(sender)
            return []
        held.parent = sender
        if held.choked.pop(sender, None) is None:
            return []
        return [Send((sender,), Unchoke(topic, source), Lane.SYNC)]

    def duplicate(self, topic: Topic, source: Source, sender: PeerId) -> list[Effect]:
        """A message came once more. What a choked peer pushes was on its way, or will be counted and nothing else."""
        held = self._inward.get((topic, source))
        if held is None or sender == held.parent or sender in held.choked:
            return []
        announces = sum(held.choked.values()) < self._config.announcers
        held.choked[sender] = announces
        return [Send((sender,), Choke(topic, source, announces), Lane.SYNC)]

    def lost(self, peer: PeerId, topic: Topic, members: tuple[PeerId, ...]) -> list[Effect]:
        """A peer pushes nothing on a topic any more; ``members``: those who still do."""
        self.on_unchoke(peer, topic, None)
        mattered = False
        for (of_topic, _), held in self._inward.items():
            if of_topic == topic:
                mattered = held.choked.pop(peer, False) or held.parent == peer or mattered
        if not mattered:
            return []
        for key in [key for key in self._inward if key[0] == topic]:
            self._inward.pop(key)
        return [Send(members, Unchoke(topic, None), Lane.SYNC)] if members else []

    # -- outward ------------------------------------------------------------------------------------

    def on_choke(self, sender: PeerId, topic: Topic, source: Source, announces: bool) -> None:
        """A peer of the topic's mesh wants no more of a source pushed."""
        self._outward.setdefault(sender, BoundedDict(self._config.choked_cap))[topic, source] = announces

    def on_unchoke(self, sender: PeerId, topic: Topic, source: Source | None) -> None:
        """A peer wants a source pushed again, or all of a topic."""
        asked = self._outward.get(sender)
        if asked is None:
            return
        for key in [(topic, source)] if source is not None else [key for key in asked if key[0] == topic]:
            asked.pop(key)
        if not asked:
            del self._outward[sender]

    def announces(self, peer: PeerId, topic: Topic, source: Source | None) -> bool | None:
        """Whether a peer wants a source announced instead of pushed; None if it wants it pushed."""
        asked = self._outward.get(peer)
        return None if asked is None or source is None else asked.get((topic, source))

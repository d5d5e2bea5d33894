"""Faulty peers, one kind to a module. Each alters or drives a real core (:class:`~gossipbook.sim.host.Behaviour`).

A liar has its own keys and whatever it heard, nothing else: it cannot forge another's signature. It counts as
faulty from its first moment to the end of the run, and no checker holds it to the rules of the honest.
"""

import random
from collections.abc import Callable

from gossipbook.scenario.parts import FaultPart
from gossipbook.sim.adversaries.censoring_leader import CensoringLeader
from gossipbook.sim.adversaries.equivocating_author import EquivocatingAuthor
from gossipbook.sim.adversaries.equivocating_leader import EquivocatingLeader
from gossipbook.sim.adversaries.flooder import Flooder
from gossipbook.sim.adversaries.forger import Forger
from gossipbook.sim.adversaries.forger_of_evidence import ForgerOfEvidence
from gossipbook.sim.adversaries.front_runner import FrontRunner
from gossipbook.sim.adversaries.outdated_member import restore_old_journal
from gossipbook.sim.adversaries.parker import Parker
from gossipbook.sim.adversaries.poisoner import Poisoner
from gossipbook.sim.adversaries.push_withholder import LatePusher, PushWithholder
from gossipbook.sim.adversaries.questioner import Questioner
from gossipbook.sim.adversaries.replayer import Replayer
from gossipbook.sim.adversaries.silent_leader import SilentLeader
from gossipbook.sim.adversaries.slow_leader import SlowLeader
from gossipbook.sim.adversaries.stranger import Stranger
from gossipbook.sim.adversaries.table_filler import TableFiller
from gossipbook.sim.adversaries.twins import make_twin
from gossipbook.sim.adversaries.vote_withholder import VoteWithholder
from gossipbook.sim.host import Behaviour, Host
from gossipbook.sim.host_roles import HostRoles
from gossipbook.sim.traders import Trader

Making = Callable[[HostRoles, Host, random.Random], Behaviour]

BEHAVIOURS: dict[str, Making] = {
    "equivocating-leader": EquivocatingLeader,
    "silent-leader": SilentLeader,
    "censoring-leader": CensoringLeader,
    "front-runner": FrontRunner,
    "forger": Forger,
    "replayer": Replayer,
    "flooder": Flooder,
    "vote-withholder": VoteWithholder,
    "push-withholder": PushWithholder,
    "late-pusher": LatePusher,
    "slow-leader": SlowLeader,
}
"""What makes a liar of each kind, where it is a behaviour of a host."""


NO_PEERS: dict[str, Callable[[HostRoles, random.Random], EquivocatingAuthor | Stranger]] = {
    "equivocating-author": EquivocatingAuthor,
    "poisoner": Poisoner,
    "forger-of-evidence": ForgerOfEvidence,
    "parker": Parker,
    "table-filler": TableFiller,
    "questioner": Questioner,
}
"""And who need no host."""


def lie(
    kind: str,
    roles: HostRoles,
    fault: FaultPart,
    rng: random.Random,
    traders: dict[str, Trader],
    hosts: list[Host],
) -> Callable[[], None] | None:
    """Start the adversaries of a fault; add their hosts to ``hosts`` and return what ends them."""
    if kind in NO_PEERS:
        stranger = NO_PEERS[kind](roles, rng)
        stranger.begin()
        return stranger.end
    make = BEHAVIOURS.get(kind)
    hosts += roles.hit(fault, rng)
    for host in hosts:
        host.faulty = True
    if kind == "twins":
        for host in hosts:
            make_twin(roles, host, rng)
        return None
    if make is None:
        for host in hosts:
            restore_old_journal(roles, host, rng)
        return None
    liars = [make(roles, host, rng) for host in hosts]
    for host, liar in zip(hosts, liars, strict=True):
        host.behaviour = liar
        liar.begin()

    def end() -> None:
        for host, liar in zip(hosts, liars, strict=True):
            liar.end()
            if host.behaviour is liar:
                host.behaviour = None

    return end

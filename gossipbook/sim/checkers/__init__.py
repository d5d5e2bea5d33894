"""Check a run's invariants, one module to a few of them, written from the definitions.

They look at what peers do, not at how: the bytes that leave them, the events that they emit, what is on their
disks. What else they may see is a :class:`~gossipbook.sim.run_view.RunView`; they do not know what drives the run.
They share no code with the cores that they judge; of the package they use the auditor's ledger and committee,
which do not either. Each counts how often it really compared something (``counts``), so that a run in which nothing
happened cannot pass for a good one.

I1 no double fill, one block a height · I2 conservation · I3 no acked op lost · I4 convergence · I5 finality · I6 vote
once · I7 one committee · I8 bounded · I9 authentic and blameless · I10 live, and silent when there is nothing to do.
"""

from gossipbook.sim.checkers.acks import AckChecker
from gossipbook.sim.checkers.authentic import AuthenticityChecker
from gossipbook.sim.checkers.base import INVARIANTS, Checker, Violation
from gossipbook.sim.checkers.blocks import BlockChecker
from gossipbook.sim.checkers.bounds import BoundsChecker
from gossipbook.sim.checkers.committee import CommitteeChecker
from gossipbook.sim.checkers.convergence import ConvergenceChecker
from gossipbook.sim.checkers.fills import FillChecker
from gossipbook.sim.checkers.finality import FinalityChecker
from gossipbook.sim.checkers.liveness import LivenessChecker
from gossipbook.sim.checkers.prepared import PreparedChecker
from gossipbook.sim.checkers.votes import VoteChecker

__all__ = ["INVARIANTS", "Checker", "Violation", "all_checkers"]


def all_checkers() -> list[Checker]:
    """Return a new instance of every checker."""
    return [
        FillChecker(),
        AckChecker(),
        ConvergenceChecker(),
        FinalityChecker(),
        VoteChecker(),
        CommitteeChecker(),
        BoundsChecker(),
        AuthenticityChecker(),
        BlockChecker(),
        LivenessChecker(),
        PreparedChecker(),
    ]

"""Tell a finding as lines that a person can follow, step by step."""

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.explorer.search import Finding, Step
from gossipbook.explorer.vocabulary import (
    NONE,
    Action,
    Binding,
    Cast,
    Crash,
    Crashed,
    DeliverBody,
    DeliverFinality,
    DeliverNotarization,
    DeliverProposal,
    DeliverTermChange,
    Fact,
    FinalTold,
    GaveUp,
    Offer,
    RoundOver,
    TimeoutClaim,
    TornTurn,
)

SEAT_NAMES = "abcd"


def trace(finding: Finding, liar: int) -> list[str]:
    """Return the path, one line for each step, and the law that is broken at its end.

    Seat a leads term 0, b term 1, and so on. ``t0:o1`` is the block with op o1 that was created in term 0.
    """
    lines = [f"the liar is {SEAT_NAMES[liar]}"]
    lines += [f"{number}. {describe(step)}" for number, step in enumerate(finding.path, 1)]
    return [*lines, f"violation: {finding.breach}"]


def describe(step: Step) -> str:
    said = "; ".join(_fact(fact) for fact in step.said if not isinstance(fact, Crashed))
    return f"{SEAT_NAMES[step.seat]} {_action(step.action)}" + (f": {said}" if said else "")


def _action(action: Action) -> str:
    match action:
        case DeliverProposal(offer):
            return f"gets {_offer(offer)}"
        case DeliverNotarization(cast):
            return f"gets NC({cast.block}, term {cast.term})"
        case DeliverFinality(cast):
            return f"gets FC({cast.block}, term {cast.term})"
        case DeliverTermChange(tc):
            return f"gets {_tc(tc)}"
        case DeliverBody(block):
            return f"gets the block {block}, which it asked for"
        case RoundOver():
            return "loses patience"
        case Crash():
            return "crashes and restarts"
        case TornTurn(torn):
            return f"{_action(torn)}, crashes before anything is durable, and restarts"


def _fact(fact: Fact) -> str:
    match fact:
        case Cast(kind, term, _, block):
            word = {PREPARE: "PREPARE", COMMIT: "COMMIT"}[kind]
            return f"sends {word}({block}, term {term})"
        case GaveUp(term, claim):
            return f"sends TIMEOUT(term {term}, {_claim(claim)})"
        case Offer():
            return f"sends {_offer(fact)}"
        case FinalTold(height, block):
            return f"finalizes {block} at height {height}"
        case Crashed():
            return "restarts"


def _offer(offer: Offer) -> str:
    backing = "" if offer.binding is None else f" with {_tc(offer.binding)}"
    return f"PROPOSE({offer.block}, term {offer.term}, height {offer.height}){backing}"


def _tc(tc: Binding) -> str:
    return f"TC(term {tc.term}, {_claim(tc.highest)})"


def _claim(claim: TimeoutClaim) -> str:
    tip = f"final {claim.tip}" if claim.fin else "nothing final"
    return f"{tip}, " + ("no lock" if claim.lock_term == NONE else f"locked on {claim.lock} of term {claim.lock_term}")

"""The laws that the explorer checks, on what honest members sent, without the core's code or quorum."""

from collections.abc import Iterable, Sequence

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.explorer.configuration import FAULTY, SEATS
from gossipbook.explorer.vocabulary import NONE, Cast, Fact, FinalTold, GaveUp, Offer, TimeoutClaim

QUORUM = (SEATS + FAULTY) // 2 + 1


def breach(sent: Iterable[Fact], fact: Fact, offers: Sequence[Offer]) -> str | None:
    """Return the rule that a member's message breaks, given its earlier messages and offers; None if it breaks none."""
    match fact:
        case Cast():
            return _vote_breach(sent, fact) or _binding_breach(fact, offers)
        case GaveUp():
            return _timeout_breach(sent, fact)
        case _:
            return None


def _vote_breach(sent: Iterable[Fact], vote: Cast) -> str | None:
    word = "PREPARE" if vote.kind == PREPARE else "COMMIT"
    for earlier in sent:
        if isinstance(earlier, GaveUp) and earlier.term >= vote.term:
            return f"a {word} in term {vote.term} after a TIMEOUT of term {earlier.term}"
        if isinstance(earlier, Cast) and earlier[:3] == vote[:3] and earlier.block != vote.block:
            return f"two {word}s in term {vote.term} at height {vote.height}: {earlier.block} and {vote.block}"
    return None


def _binding_breach(vote: Cast, offers: Sequence[Offer]) -> str | None:
    """Return the breach of a PREPARE in a later term whose block was not offered with a TC that allows it."""
    if vote.kind != PREPARE or vote.term == 0:
        return None
    shown = [o.binding for o in offers if (o.term, o.height, o.block) == (vote.term, vote.height, vote.block)]
    highest = [b.highest for b in shown if b is not None and b.term == vote.term - 1]
    if not highest:
        return f"a PREPARE in term {vote.term} without a TC of the term before"
    if any(_allows(claim, vote) for claim in highest):
        return None
    claim = highest[0]
    if vote.height <= claim.fin:
        return f"a PREPARE at height {vote.height}, which the TC shows to be final"
    return f"a PREPARE of {vote.block} where the TC binds to {claim.lock}, locked in term {claim.lock_term}"


def _allows(highest: TimeoutClaim, vote: Cast) -> bool:
    """Return whether a TC with these highest claims allows a block at a height."""
    if vote.height <= highest.fin:
        return False
    return vote.height > highest.fin + 1 or highest.lock_term == NONE or vote.block == highest.lock


def _timeout_breach(sent: Iterable[Fact], timeout: GaveUp) -> str | None:
    claim = timeout.claim
    for earlier in sent:
        if isinstance(earlier, GaveUp) and earlier.term == timeout.term and _signed(earlier) != _signed(timeout):
            return f"two TIMEOUTs of term {timeout.term}"
        if isinstance(earlier, Cast) and earlier.kind == COMMIT and earlier.term <= timeout.term:
            locked = claim.fin == earlier.height - 1 and claim.lock_term >= earlier.term
            if claim.fin < earlier.height and not locked:
                shown = f"shows fin {claim.fin} and " + (f"lock {claim.lock}" if claim.lock else "no lock")
                return f"a TIMEOUT of term {timeout.term} {shown} after a COMMIT of {earlier.block}"
    return None


def _signed(timeout: GaveUp) -> TimeoutClaim:
    """Return the part of a TIMEOUT that its signature covers: all but the FC that proves the tip."""
    return timeout.claim._replace(fin_term=NONE)


def unprepared(sents: Sequence[Iterable[Fact]]) -> str | None:
    """Return the breach of a COMMIT for which, even with the liar's, fewer than q PREPAREs of its term were sent."""
    for sent in sents:
        for fact in sent:
            if isinstance(fact, Cast) and fact.kind == COMMIT:
                needed = fact._replace(kind=PREPARE)
                if sum(needed in other for other in sents) < QUORUM - 1:
                    return f"a COMMIT of {fact.block} in term {fact.term} without {QUORUM} PREPAREs of that term"
    return None


def disagreement(sents: Sequence[Iterable[Fact]], formable: Iterable[Cast]) -> str | None:
    """Return the breach of two final blocks at one height, told to somebody or certifiable with the liar's vote."""
    final: dict[int, str] = {}
    told = [(fact.height, fact.block) for sent in sents for fact in sent if isinstance(fact, FinalTold)]
    certified = [(fc.height, fc.block) for fc in formable if fc.kind == COMMIT]
    for height, block in told + certified:
        if final.setdefault(height, block) != block:
            return f"two final blocks at height {height}: {final[height]} and {block}"
    return None

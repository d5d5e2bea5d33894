"""The laws that the explorer checks, on what honest members sent, without the core's code or quorum.

Where several heights are in flight (``is_deep``) they are those of section 8a of the design, else those of section 8.
"""

from collections.abc import Iterable, Sequence

from gossipbook.consensus.committee import COMMIT, PREPARE
from gossipbook.explorer.configuration import FAULTY, SEATS
from gossipbook.explorer.vocabulary import (
    GENESIS,
    NONE,
    Cast,
    Fact,
    FinalTold,
    GaveUp,
    Offer,
    Standing,
    TimeoutClaim,
    descends,
    height_of,
)

QUORUM = (SEATS + FAULTY) // 2 + 1


def breach(sent: Iterable[Fact], fact: Fact, offers: Sequence[Offer], is_deep: bool) -> str | None:
    """Return the rule that a member's message breaks, given its earlier messages and offers; None if it breaks none."""
    match fact:
        case Cast():
            return _vote_breach(sent, fact, is_deep) or _binding_breach(fact, offers, is_deep)
        case GaveUp():
            return _timeout_breach(sent, fact, is_deep)
        case Offer():
            return _offer_breach(sent, fact)
        case _:
            return None


def _offer_breach(sent: Iterable[Fact], offer: Offer) -> str | None:
    """Return the breach of an honest leader's proposal that is not for one chain with the earlier ones of its term."""
    for earlier in sent:
        if not isinstance(earlier, Offer) or earlier.term != offer.term:
            continue
        if not descends(offer.block, earlier.block) and not descends(earlier.block, offer.block):
            return f"proposals of {earlier.block} and {offer.block} in term {offer.term}"
    return None


def _vote_breach(sent: Iterable[Fact], vote: Cast, is_deep: bool) -> str | None:
    word = "PREPARE" if vote.kind == PREPARE else "COMMIT"
    for earlier in sent:
        if isinstance(earlier, GaveUp) and earlier.term >= vote.term:
            return f"a {word} in term {vote.term} after a TIMEOUT of term {earlier.term}"
        if isinstance(earlier, Cast) and earlier[:3] == vote[:3] and earlier.block != vote.block:
            return f"two {word}s in term {vote.term} at height {vote.height}: {earlier.block} and {vote.block}"
        if (
            is_deep
            and isinstance(earlier, Cast)
            and earlier[:2] == vote[:2] == (PREPARE, vote.term)
            and not descends(vote.block, earlier.block)
        ):
            return f"a PREPARE of {vote.block} in term {vote.term} after one of {earlier.block}"
    return None


def _binding_breach(vote: Cast, offers: Sequence[Offer], is_deep: bool) -> str | None:
    """Return the breach of a PREPARE in a later term whose block was not offered with a TC that allows it."""
    if vote.kind != PREPARE or vote.term == 0:
        return None
    shown = [o.binding for o in offers if (o.term, o.height, o.block) == (vote.term, vote.height, vote.block)]
    highest = [b.highest for b in shown if b is not None and b.term == vote.term - 1]
    if not highest:
        return f"a PREPARE in term {vote.term} without a TC of the term before"
    if any(_founds(claim, vote) if is_deep else _allows(claim, vote) for claim in highest):
        return None
    claim = highest[0]
    if vote.height <= claim.fin:
        return f"a PREPARE at height {vote.height}, which the TC shows to be final"
    if is_deep:
        return f"a PREPARE of {vote.block} where the TC begins the term on {claim.lock or claim.tip}"
    return f"a PREPARE of {vote.block} where the TC binds to {claim.lock}, locked in term {claim.lock_term}"


def _allows(highest: TimeoutClaim, vote: Cast) -> bool:
    """Return whether a TC with these highest claims allows a block at a height."""
    if vote.height <= highest.fin:
        return False
    return vote.height > highest.fin + 1 or highest.lock_term == NONE or vote.block == highest.lock


def _founds(highest: TimeoutClaim, vote: Cast) -> bool:
    """Return whether a block is or descends from what a TC begins the term on: the lock that binds, or the tip."""
    return vote.height > highest.fin and descends(vote.block, highest.lock or highest.tip)


def _timeout_breach(sent: Iterable[Fact], timeout: GaveUp, is_deep: bool) -> str | None:
    claim = timeout.claim
    for earlier in sent:
        if isinstance(earlier, GaveUp) and earlier.term == timeout.term and _signed(earlier) != _signed(timeout):
            return f"two TIMEOUTs of term {timeout.term}"
        if isinstance(earlier, Cast) and earlier.kind == COMMIT and earlier.term <= timeout.term:
            if is_deep:
                shows = claim.locked >= (earlier.term, earlier.height) or claim.fin_term > earlier.term
            else:
                shows = claim.fin == earlier.height - 1 and claim.lock_term >= earlier.term
            if claim.fin < earlier.height and not shows:
                shown = f"shows fin {claim.fin} and " + (f"lock {claim.lock}" if claim.lock else "no lock")
                return f"a TIMEOUT of term {timeout.term} {shown} after a COMMIT of {earlier.block}"
    return None


def _signed(timeout: GaveUp) -> TimeoutClaim:
    """Return the part of a TIMEOUT that its signature covers: all but the FC that proves the tip."""
    return timeout.claim._replace(fin_term=NONE)


def unprepared(sents: Sequence[Iterable[Fact]], known: Iterable[Cast], is_deep: bool) -> str | None:
    """Return the breach of a COMMIT for which, even with the liar's, fewer than q PREPAREs of its term were sent.

    Where several heights are in flight they may be for a descendant. ``known``: certificates that there are, whoever
    voted for them.
    """
    notarized = [cast for cast in known if cast.kind == PREPARE]
    for sent in sents:
        for fact in sent:
            if isinstance(fact, Cast) and fact.kind == COMMIT:
                needed = fact._replace(kind=PREPARE)
                if sum(needed in other for other in sents) >= QUORUM - 1:
                    continue
                if not is_deep or not any(nc.term == fact.term and descends(nc.block, fact.block) for nc in notarized):
                    return f"a COMMIT of {fact.block} in term {fact.term} without {QUORUM} PREPAREs of that term"
    return None


def disagreement(sents: Sequence[Iterable[Fact]], formable: Iterable[Cast]) -> str | None:
    """Return the breach of two final blocks that are not on one chain, told to somebody or certifiable with the liar.

    At one height there is no more than one, since all that a final block descends from is final.
    """
    final: dict[int, str] = {}
    told = [(fact.height, fact.block) for sent in sents for fact in sent if isinstance(fact, FinalTold)]
    certified = [(fc.height, fc.block) for fc in formable if fc.kind == COMMIT]
    for height, block in told + certified:
        if final.setdefault(height, block) != block:
            return f"two final blocks at height {height}: {final[height]} and {block}"
    highest = final.get(max(final, default=0), GENESIS)
    for block in final.values():
        if not descends(highest, block):
            return f"two final blocks on different chains: {highest} and {block}"
    return None


def unsteady(before: Standing, after: Standing) -> str | None:
    """Return what a member forgot that it must never forget, in one step; None if nothing.

    Whatever is left out of merged states rests on this.
    """
    if after.term < before.term:
        return f"back in term {after.term} from term {before.term}"
    if not descends(after.tip, before.tip):
        return f"the final block {after.tip} after {before.tip}"
    is_outdated = height_of(before.lock) <= after.fin or before.lock_term < after.fin_term
    if before.lock and not is_outdated:
        locked = after.lock_term, height_of(after.lock)
        if locked < (before.lock_term, height_of(before.lock)):
            return f"the lock on {before.lock} of term {before.lock_term} is lost"
    if after.term > before.term:
        return None
    if before.timed_out:
        return None if after.timed_out else f"a TIMEOUT of term {before.term} is forgotten"
    if after.timed_out:
        return None
    if before.last and not descends(after.tip, before.last) and not descends(after.last or GENESIS, before.last):
        return f"a PREPARE of {before.last} in term {before.term} is forgotten"
    if not set(before.committed) <= {*after.committed, *range(after.fin + 1)}:
        return f"a COMMIT in term {before.term} is forgotten"
    return None


def disallowed(before: Standing, fact: Fact) -> str | None:
    """Return why a new message is none that a member who had come so far may send; None if it is one.

    It makes up for earlier messages that are forgotten where states are merged.
    """
    match fact:
        case Cast():
            return _disallowed_vote(before, fact)
        case GaveUp(term, claim):
            if term < before.term or (term == before.term and before.timed_out):
                return f"another TIMEOUT of term {term}"
            is_outdated = height_of(before.lock) <= claim.fin or before.lock_term < claim.fin_term
            is_hidden = claim.locked < (before.lock_term, height_of(before.lock))
            if claim.fin < before.fin or (before.lock and not is_outdated and is_hidden):
                shown = f"shows fin {claim.fin} and " + (f"lock {claim.lock}" if claim.lock else "no lock")
                return f"a TIMEOUT of term {term} {shown} of one at {before.tip}, locked on {before.lock or 'nothing'}"
            return None
        case _:
            return None


def _disallowed_vote(before: Standing, vote: Cast) -> str | None:
    word = "PREPARE" if vote.kind == PREPARE else "COMMIT"
    if vote.term < before.term or (vote.term == before.term and before.timed_out):
        return f"a {word} in term {vote.term} after a TIMEOUT of it"
    if vote.height <= before.fin or not descends(vote.block, before.tip):
        return f"a {word} of {vote.block} by one who has {before.tip} final"
    if vote.term > before.term:
        return None
    if vote.kind == COMMIT:
        return f"two COMMITs in term {vote.term} at height {vote.height}" if vote.height in before.committed else None
    if before.last and (vote.height <= height_of(before.last) or not descends(vote.block, before.last)):
        return f"a PREPARE of {vote.block} in term {vote.term} after one of {before.last}"
    return None

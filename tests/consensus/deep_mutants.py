"""Weakenings of the rules in which several heights may be in flight; each is known to violate agreement."""

from collections.abc import Sequence
from typing import Any

import pytest

from gossipbook.consensus import proposing
from gossipbook.consensus.ballot import Ballot
from gossipbook.consensus.certificate import Base, Certificate, TermChange, Timeout
from gossipbook.consensus.certificates import Certificates
from gossipbook.consensus.committee import Committee
from gossipbook.consensus.proposing import Proposing
from gossipbook.consensus.validity import unbound, unfounded
from gossipbook.consensus.words import BlockFault

from .test_mutants import Plant, commit_after_timeout, forgets, hides_in_timeout, small_quorum


def parent_unchecked(patch: pytest.MonkeyPatch) -> None:
    """The votes of a term need not be for one chain."""

    def off_own(line: Any, tc: Any, term: int, last: Any, chain: Any, committee: Committee) -> Any:
        return unfounded(line, tc, term, None, chain, committee)

    patch.setattr(proposing, "unfounded", off_own)


def first_vote_unbound(patch: pytest.MonkeyPatch) -> None:
    """Only later votes of a term are held to anything: to the first one."""

    def off_base(line: Any, tc: Any, term: int, last: Any, chain: Any, committee: Committee) -> Any:
        fault = unfounded(line, tc, term, last, chain, committee)
        return fault if fault is BlockFault.NOT_ON_OWN else None

    patch.setattr(proposing, "unbound", lambda block, term, tc, committee: None)
    patch.setattr(proposing, "unfounded", off_base)


def commit_on_old_lock(patch: pytest.MonkeyPatch) -> None:
    def may_commit(self: Ballot, height: int) -> bool:
        lock = self.state.lock
        if self.timed_out or lock is None or height > lock.height:
            return False
        return not any((vote.term, vote.height) == (self.term, height) for vote in self.state.committed)

    patch.setattr(Ballot, "may_commit", may_commit)


def next_height_alone_bound(patch: pytest.MonkeyPatch) -> None:
    """What binds the leader of one height in flight, carried over: L* says what comes at H* + 1, and no more."""

    def weak_unbound(block: Any, term: int, tc: Any, committee: Committee) -> Any:
        fault = unbound(block, term, tc, committee)
        if fault in (BlockFault.NOT_LOCKED_ONE, BlockFault.NEITHER) and block.height > tc.high_fin + 1:
            return None
        return fault

    def weak_unfounded(line: Any, tc: Any, term: int, last: Any, chain: Any, committee: Committee) -> Any:
        fault = unfounded(line, tc, term, last, chain, committee)
        is_next = tc is not None and line.blocks[-1].height == tc.high_fin + 1
        return fault if fault is BlockFault.NOT_ON_OWN or is_next else None

    patch.setattr(proposing, "unbound", weak_unbound)
    patch.setattr(proposing, "unfounded", weak_unfounded)


def ranks_locks(key: Any) -> Plant:
    """What counts as the higher of two locks, in a TC and of a member."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        def high_lock(self: TermChange, committee: Committee) -> Timeout | None:
            locked = [t for t in self.timeouts if t.lock_term is not None]
            return max(locked, key=lambda t: key(t.lock_term, t.lock_height), default=None)

        def take_lock(self: Ballot, nc: Certificate) -> bool:
            lock = self.state.lock
            if lock is not None and key(nc.term, nc.height) <= key(lock.term, lock.height):
                return False
            self.state.lock = nc
            self.dirty = True
            return True

        patch.setattr(TermChange, "high_lock", high_lock)
        patch.setattr(Ballot, "take_lock", take_lock)

    return plant


def picks_lock(pick: Any) -> Plant:
    """Which of the locks of a TC's TIMEOUTs is taken for L*."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        def high_lock(self: TermChange, committee: Committee) -> Timeout | None:
            found: Timeout | None = pick(self, [t for t in self.timeouts if t.lock_term is not None])
            return found

        patch.setattr(TermChange, "high_lock", high_lock)

    return plant


def _at_high_fin(tc: TermChange, locked: Sequence[Timeout]) -> Timeout | None:
    there = [t for t in locked if t.fin == tc.high_fin]
    return max(there, key=lambda t: (t.lock_term or 0, t.lock_height), default=None)


def _any(tc: TermChange, locked: Sequence[Timeout]) -> Timeout | None:
    return next(iter(locked), None)


def finality_clears_lock(patch: pytest.MonkeyPatch) -> None:
    honest, advanced = Ballot.finalized, Certificates.advanced

    def finalized(self: Ballot, fc: Certificate) -> None:
        honest(self, fc)
        self.state.lock = None
        self.dirty = True

    def forget(self: Certificates) -> None:
        advanced(self)
        self.ncs = {}

    patch.setattr(Ballot, "finalized", finalized)
    patch.setattr(Certificates, "advanced", forget)


def height_by_height(patch: pytest.MonkeyPatch) -> None:
    """The locked block's ancestors are proposed again, too, from H* + 1 on."""

    def weak_unbound(block: Any, term: int, tc: Any, committee: Committee) -> Any:
        fault = unbound(block, term, tc, committee)
        return None if fault in (BlockFault.NOT_LOCKED_ONE, BlockFault.NEITHER) else fault

    def weak_unfounded(line: Any, tc: Any, term: int, last: Any, chain: Any, committee: Committee) -> Any:
        if tc is not None:
            locked = chain.line(tc.base(committee).block_id)
            if locked.is_on_tip and line.blocks[-1] in locked.blocks:
                return None
        return unfounded(line, tc, term, last, chain, committee)

    def propose_again(self: Proposing, block_id: bytes, tc: TermChange, now: Any) -> bool:
        member = self._member
        assert tc.nc is not None
        blocks = member.certified_line(tc.nc, now)
        if blocks is None or member.follow(blocks, member.voter(tc.nc)) is not True:
            return False
        return self._put_forward(blocks[0])

    patch.setattr(proposing, "unbound", weak_unbound)
    patch.setattr(proposing, "unfounded", weak_unfounded)
    patch.setattr(Proposing, "_propose_again", propose_again)


def no_test_of_fin_term(patch: pytest.MonkeyPatch) -> None:
    """A lock above H* binds though something was final in a later term than the lock's."""

    def base(self: TermChange, committee: Committee) -> Base:
        top, lock = self.top, self.high_lock(committee)
        if lock is None or lock.lock_height <= top.fin:
            return Base(top.fin, top.fin_id, is_locked=False)
        return Base(lock.lock_height, lock.lock_id, is_locked=True)

    patch.setattr(TermChange, "base", base)


def proposals_never_wait(patch: pytest.MonkeyPatch) -> None:
    """A leader's proposals leave before it is durable that it proposes in the term."""
    patch.setattr(Certificates, "are_of", lambda self, term: True)


DEEP_MUTANTS: dict[str, Plant] = {
    "quorum one too small": small_quorum,
    "parent unchecked": parent_unchecked,
    "PREPARE lost on restart": forgets("prepared", ()),
    "COMMIT after TIMEOUT": commit_after_timeout,
    "lock left out of TIMEOUT": hides_in_timeout(lock=True, fin=False),
    "fin left out of TIMEOUT": hides_in_timeout(lock=False, fin=True),
    "first vote of a term not bound by the TC": first_vote_unbound,
    "COMMIT on an old-term lock": commit_on_old_lock,
    "lock lost on restart": forgets("lock", None),
    "only H* + 1 bound by L*": next_height_alone_bound,
    "locks compared by term, the lower height kept": ranks_locks(lambda term, height: (term, -height)),
    "L* only where fin = H*": picks_lock(_at_high_fin),
    "any finalization clears the lock": finality_clears_lock,
    "locks compared by height only": ranks_locks(lambda term, height: height),
    "any lock instead of the highest": picks_lock(_any),
    "proposed again height by height": height_by_height,
    "no test of the tip's term": no_test_of_fin_term,
    "proposals wait for no record": proposals_never_wait,
}

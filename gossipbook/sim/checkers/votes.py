"""I6: no honest key signs two conflicting votes, judged by the bytes that leave each peer, across restarts.

A vote is ``[21, pair, epoch, [kind, term, height, block id, seat, signature]]``, a proposal
``[20, pair, epoch, term, height, block, …]``, a TIMEOUT ``[22, pair, epoch, [term, fin, fin id, lock term, lock id,
seat, signature, lock height if it is not fin + 1], FC, …]``; any of them may be the payload of a push
``[15, topic, payload]``. A block is ``[version, chain, epoch, pair, height, parent, …]``. The vote state on disk is
``[term, timed out, TIMEOUT, FC, NC, TC, lock, PREPAREs, COMMITs, …]``.
"""

import hashlib
from itertools import pairwise
from typing import Any

import cbor2
from sortedcontainers import SortedDict

from gossipbook.consensus.records import VoteRecord
from gossipbook.effects import LinkId
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host
from gossipbook.storage.rows import VoteRow

PUSH, PROPOSE, VOTE, TIMEOUT = 15, 20, 21, 22
PREPARE, COMMIT = 1, 2
_LOOKED_AT = frozenset((PUSH, PROPOSE, VOTE, TIMEOUT))


class VoteChecker(Checker):
    """Remembers what each key signed by (pair, kind of message, term, height)."""

    def __init__(self) -> None:
        super().__init__()
        self._signed: dict[tuple[Any, ...], Any] = {}
        self._gave_up: dict[tuple[bytes, str], int] = {}  # the highest term that a key gave up
        self._commits: dict[tuple[bytes, str], dict[int, tuple[int, bytes]]] = {}  # height: (term, block)
        self._parents: dict[bytes, bytes] = {}  # of blocks that were proposed
        self._prepared: dict[tuple[bytes, str, int], SortedDict[int, bytes]] = {}  # a key's in a term: blocks by height
        self._kept: dict[tuple[bytes, str], dict[int, list[Any]]] = {}  # votes on disk when a term was given up

    def synced(self, host: Host, records: list[object], now_us: int) -> None:
        for record in records:
            if isinstance(record, VoteRecord):
                self._note_state(host, record.pair, record.state)

    def started(self, host: Host, now_us: int) -> None:
        """Note the vote state that a journal holds at a restart, which may have survived without a sync."""
        for row in host.journal.rows():
            if isinstance(row, VoteRow):
                self._note_state(host, row.pair, row.state)

    def _note_state(self, host: Host, pair: str, state: bytes) -> None:
        """Note the votes on disk when a term was given up: they may still leave later, as if delayed on the wire."""
        term, timed_out, _, _, _, _, _, prepared, committed, *_ = cbor2.loads(state)
        if timed_out:
            self._kept.setdefault((host.peer_id, pair), {}).setdefault(term, [*prepared, *committed])

    def sent(self, host: Host, to: tuple[LinkId, ...], raw: bytes, now_us: int) -> None:
        if host.faulty or raw[1] not in _LOOKED_AT:
            return
        message = cbor2.loads(raw)
        if message[0] == PUSH:
            message = cbor2.loads(message[2])
        match message[0]:
            case n if n == PROPOSE:
                self._proposal(host, message)
            case n if n == VOTE:
                self._vote(host, message[1], message[3])
            case n if n == TIMEOUT:
                self._timeout(host, message[1], message[3], message[4])

    def _own(self, host: Host, pair: str, seat: int) -> bool:
        """Return whether a vote is the sender's own and not one that it relays."""
        keys = self.view.seats[pair].keys
        return seat < len(keys) and keys[seat] == host.identity.public_key

    def _proposal(self, host: Host, message: list[Any]) -> None:
        _, pair, _, term, height, block = message[:6]
        self._parents[_block_id(block)] = cbor2.loads(block)[5]
        keys = self.view.seats[pair].keys
        if keys[term % len(keys)] != host.identity.public_key:
            return
        self._once(host, pair, "proposals", term, height, hashlib.sha256(block).digest())

    def _vote(self, host: Host, pair: str, vote: list[Any]) -> None:
        kind, term, height, block_id, seat, _ = vote
        if not self._own(host, pair, seat):
            return
        fresh = self._once(host, pair, "PREPAREs" if kind == PREPARE else "COMMITs", term, height, block_id)
        kept = self._kept.get((host.peer_id, pair), {})
        known = any(vote in votes for given_up, votes in kept.items() if given_up >= term)
        if fresh and not known and term <= self._gave_up.get((host.peer_id, pair), -1):
            text = f"{host.name} votes in term {term} of {pair} after it gave up that term"
            self.blame("I6", text, pair, height)
        if fresh and kind == PREPARE:
            self._along_one_chain(host, pair, term, height, block_id)
        if kind == COMMIT:
            at = self._commits.setdefault((host.peer_id, pair), {})
            if height not in at or at[height][0] < term:
                at[height] = (term, block_id)

    def _timeout(self, host: Host, pair: str, timeout: list[Any], fc: list[Any] | None) -> None:
        term, fin, _, lock_term, lock_id, seat, _, *told = timeout
        lock_height = told[0] if told else fin + 1
        if not self._own(host, pair, seat):
            return
        claim = (fin, lock_term, lock_height, lock_id)
        if not self._once(host, pair, "TIMEOUTs", term, 0, claim):
            return
        key = (host.peer_id, pair)
        self._gave_up[key] = max(self._gave_up.get(key, -1), term)
        for height, (commit_term, block_id) in self._commits.get(key, {}).items():
            if height <= fin or commit_term > term:
                continue
            if self.view.manifest.rules_version >= 5 and fc is not None and fc[1] > commit_term:
                continue  # What became final in a later term outdated it.
            later = lock_term is not None and (
                (lock_term, lock_height) > (commit_term, height)
                or (lock_term, lock_height, lock_id) == (commit_term, height, block_id)
            )
            if height > fin + self.view.manifest.depth or not later:
                text = f"{host.name} gives up term {term} of {pair} and hides what it committed to at height {height}"
                self.blame("I6", text, pair, height)

    def _along_one_chain(self, host: Host, pair: str, term: int, height: int, block_id: bytes) -> None:
        """Blame a PREPARE that is not on one chain with what the same key prepared in its term.

        What was signed first need not leave first: a vote for which there was no link is sent again later.
        """
        mine = self._prepared.setdefault((host.peer_id, pair, term), SortedDict())
        mine[height] = block_id
        at = mine.index(height)
        for low, high in pairwise(mine.keys()[max(at - 1, 0) : at + 2]):
            if self._ancestor(mine[high], high - low) not in (None, mine[low]):
                text = f"{host.name} prepares in term {term} of {pair} what is not on one chain with what it prepared"
                self.blame("I6", text, pair, height)

    def _ancestor(self, block_id: bytes, generations: int) -> bytes | None:
        """Return the block so many heights below one, if it is known."""
        at: bytes | None = block_id
        for _ in range(generations):
            at = None if at is None else self._parents.get(at)
        return at

    def _once(self, host: Host, pair: str, what: str, term: int, height: int, value: object) -> bool:
        """Note what was signed; return True if it is new, and blame a contradiction."""
        key = (host.peer_id, pair, what, term, height)
        known = self._signed.get(key)
        self.counts["I6"] += 1
        if known is None:
            self._signed[key] = value
            return True
        if known != value:
            self.blame("I6", f"{host.name} signed two {what} at term {term}, height {height} of {pair}", pair, height)
        return False


def _block_id(raw: bytes) -> bytes:
    return hashlib.sha256(b"gossipbook/block\0" + len(raw).to_bytes(4, "big") + raw).digest()

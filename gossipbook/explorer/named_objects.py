"""The objects that all explored states share, by name: committee, keys, a few ops, blocks and certificates.

Signatures are not what is explored. They are digests under the signer's public key, checked as strictly as real
ones are, by all members, wherever the core checks one.
"""

import hashlib
from typing import Any, NamedTuple

from gossipbook.consensus.block import Block, make_block
from gossipbook.consensus.canonical import canonical_order
from gossipbook.consensus.certificate import Certificate, TermChange, Timeout
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.consensus.messages import BlockBody, ConsensusMessage, Proof, Propose
from gossipbook.crdt.interpretation import Interpretation, Item
from gossipbook.crdt.op import GENESIS_PREV, Op, sign_op
from gossipbook.crdt.stays import opening_expiry_ms
from gossipbook.effects import Now
from gossipbook.explorer.configuration import SEATS, Configuration
from gossipbook.explorer.vocabulary import (
    GENESIS,
    NO_BLOCK,
    NONE,
    Binding,
    Cast,
    DeliverBody,
    DeliverFinality,
    DeliverNotarization,
    DeliverProposal,
    DeliverTermChange,
    Delivery,
    Offer,
    TimeoutClaim,
    height_of,
)
from gossipbook.identity import DOMAIN_PROPOSE, DOMAIN_TIMEOUT, DOMAIN_VOTE, Identity, SignatureCheck, Verifier
from gossipbook.identity import signed_message as message_to_sign
from gossipbook.ids import ZERO_DIGEST, BlockId, ChainId, OpId, PeerId
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce

SYMBOL = "GOLD/USD"
RULES, DEEP_RULES = 2, 5  # What ops do is not what is explored.
NOW = Now(1_700_000_000_000, 0)  # It stands still: timers fire when the search lets them, not when they are due.
OPS = ("o1", "o2", "o3", "o4")
SHALLOW_OPS = 3  # so many of them where one height is in flight
TWINS = {"o1": "o2", "o2": "o1"}

Claims = tuple[tuple[int, TimeoutClaim], ...]  # by seat, ascending


class Shown(NamedTuple):
    """What a TC is made of: the TIMEOUTs, and the term of the FC that proves the highest tip."""

    claims: Claims
    fin_term: int


class Parts(NamedTuple):
    """What distinguishes one block from another here."""

    term: int
    ops: tuple[str, ...]
    parent: str

    def name(self) -> str:
        on = "" if self.parent == GENESIS else f"/{self.parent}"
        return f"t{self.term}:{'+'.join(self.ops)}{on}"


class Stamp(Identity):
    """An identity that signs with a digest, which is cheap."""

    def sign(self, domain: bytes, chain_id: ChainId, body: bytes) -> bytes:
        return _stamp(self.public_key, message_to_sign(domain, chain_id, body))


class StampVerifier(Verifier):
    """Checks the signatures of :class:`Stamp`."""

    def good(self, check: SignatureCheck) -> bool:
        return check.signature == _stamp(check.public_key, check.signed)


def _stamp(public_key: bytes, signed: bytes) -> bytes:
    return hashlib.sha512(public_key + signed).digest()


class NamedObjects:
    """Makes each object of a name once, and finds the name of an object that the core handles."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        keys = [Stamp(hashlib.sha256(b"explorer seat %d" % i).digest()) for i in range(SEATS)]
        matchers = tuple(Matcher(f"m{i}", key.public_key, f"operator {i}") for i, key in enumerate(keys))
        rules = DEEP_RULES if configuration.is_deep else RULES
        depth = {"max_blocks_in_flight": configuration.depth} if configuration.is_deep else {}
        limits = Limits.of(rules, max_block_ops=2, **depth)
        self.manifest = Manifest("explorer", (Pair(SYMBOL),), matchers, SEATS, limits=limits, rules_version=rules)
        self.committee = Committee.of(self.manifest, self.manifest.chain_id, SYMBOL)
        by_key = {key.public_key: key for key in keys}
        self.keys = [by_key[matcher.public_key] for matcher in self.committee.seats]
        self.q = self.committee.quorum.q
        self.verifier = StampVerifier()
        self.ops = OPS if configuration.is_deep else OPS[:SHALLOW_OPS]
        self.items = self._ops()
        self.names: dict[bytes, str] = {ZERO_DIGEST: NO_BLOCK, self.committee.genesis: GENESIS}
        self.names |= {item.id: name for name, item in self.items.items()}
        self.parts: dict[str, Parts] = {}
        self._blocks: dict[str, Block] = {}
        self._certificates: dict[Cast, Certificate] = {}
        self._shown: dict[Binding, Shown] = {}
        self._messages: dict[Delivery, tuple[PeerId, ConsensusMessage]] = {}
        self._twins: dict[str, str] = dict(TWINS)

    def _ops(self) -> dict[str, Op]:
        """Make one op of each of as many authors.

        An honest leader takes authors by their keys. With two ops to a block and o1 and o2 of the first authors, its
        choice does not tell o1 from o2.
        """
        authors = [Identity(hashlib.sha256(b"explorer author %d" % i).digest()) for i in range(len(self.ops))]
        is_deep, retention_ms = self.configuration.is_deep, self.manifest.limits.author_retention_ms
        expiry_ms = opening_expiry_ms(NOW.wall_ms, retention_ms) if is_deep else 0
        made = {}
        for name, author in zip(self.ops, sorted(authors, key=lambda author: author.public_key), strict=True):
            command = Place(1, Side.BUY, OrderType.LIMIT, 100, 5, TimeInForce.GTC)
            made[name] = sign_op(author, self.manifest.chain_id, SYMBOL, 0, GENESIS_PREV, (command,), expiry_ms)
        return made

    # -- blocks -------------------------------------------------------------------------------------

    def block(self, name: str) -> Block:
        """Return the block of a name, built as the honest leader of its term would build it."""
        made = self._blocks.get(name)
        if made is None:
            made = self._blocks[name] = self._build(self.parts[name])
            self.names[made.id] = name
        return made

    def name(self, parts: Parts) -> str:
        """Return the name of a block, which may be a new one."""
        name = parts.name()
        self.parts.setdefault(name, parts)
        return name

    def learn(self, block: Block) -> str:
        """Return the name of a block that a core made."""
        known = self.names.get(block.id)
        if known is None:
            ops = tuple(sorted(self.names[op_id] for op_id in block.op_ids))
            known = self.name(Parts(block.created_term, ops, self.names[block.parent]))
            assert self.block(known).id == block.id, f"two blocks by the name of {known}"
        return known

    def line(self, name: str) -> list[str]:
        """Return a block's ancestors and itself, the first one first."""
        names = []
        while name != GENESIS:
            names.append(name)
            name = self.parts[name].parent
        return names[::-1]

    def _build(self, parts: Parts) -> Block:
        state, parent = Interpretation(self.manifest, SYMBOL), self.committee.genesis
        for ancestor in self.line(parts.parent):
            made = self.block(ancestor)
            parent = made.id
            by_id: dict[OpId, Item] = {item.id: item for item in self.items.values()}
            state.execute(made.time_ms, [by_id[op_id] for op_id in made.op_ids])
            state.commit()
        items = canonical_order(parent, [self.items[name] for name in parts.ops])
        time_ms = max(NOW.wall_ms, state.time_ms + 1)
        return make_block(
            chain_id=self.committee.chain_id,
            epoch=self.committee.epoch,
            pair=SYMBOL,
            height=len(self.line(parts.parent)) + 1,
            parent=parent,
            proposer=self.committee.key(self.committee.leader(parts.term)),
            created_term=parts.term,
            time_ms=time_ms,
            op_ids=tuple(item.id for item in items),
            events_digest=state.execute(time_ms, items).events_digest,
        )

    def id_of(self, name: str) -> BlockId:
        if name == NO_BLOCK:
            return ZERO_DIGEST
        return self.committee.genesis if name == GENESIS else self.block(name).id

    # -- certificates -------------------------------------------------------------------------------

    def certificate(self, cast: Cast) -> Certificate:
        """Return the NC or FC of a vote, signed by the first q seats: nothing in the core depends on who voted."""
        made = self._certificates.get(cast)
        if made is None:
            c, block_id = self.committee, self.id_of(cast.block)
            body = c.vote_body(cast.kind, cast.term, cast.height, block_id)
            signers = tuple((seat, self.keys[seat].sign(DOMAIN_VOTE, c.chain_id, body)) for seat in range(self.q))
            made = Certificate(cast.kind, cast.term, cast.height, block_id, signers)
            self._certificates[cast] = made
        return made

    def term_change(self, term: int, shown: Shown) -> TermChange:
        """Make the TC of some TIMEOUTs, put together as the core does it."""
        timeouts = tuple(self._timeout(term, seat, claim) for seat, claim in shown.claims)
        top = max((claim for _, claim in shown.claims), key=lambda claim: claim.fin)
        fc = self.certificate(Cast(COMMIT, shown.fin_term, top.fin, top.tip)) if top.fin else None
        bare = TermChange(term, timeouts, fc, None)
        lock = bare.high_lock(self.committee)
        if lock is None or lock.lock_term is None:
            return bare
        nc = self.certificate(Cast(PREPARE, lock.lock_term, lock.lock_height, self.names[lock.lock_id]))
        return TermChange(term, timeouts, fc, nc)

    def _timeout(self, term: int, seat: int, claim: TimeoutClaim) -> Timeout:
        c = self.committee
        lock_term, lock_height = (claim.lock_term, height_of(claim.lock)) if claim.lock else (None, 0)
        tip, lock = self.id_of(claim.tip), self.id_of(claim.lock)
        body = c.timeout_body(term, claim.fin, tip, lock_term, lock, lock_height)
        signature = self.keys[seat].sign(DOMAIN_TIMEOUT, c.chain_id, body)
        return Timeout(term, claim.fin, tip, lock_term, lock, seat, signature, lock_height)

    def bind(self, term: int, shown: Shown) -> Binding:
        """Return what a TC of these TIMEOUTs binds to, and keep the first TC of each binding to stand for all."""
        binding = self.binding(self.term_change(term, shown))
        self._shown.setdefault(binding, shown)
        return binding

    def binding(self, tc: TermChange) -> Binding:
        """Return a TC's highest claim (H*, L*) as computed here, with what the core reads from it."""
        fin = max(timeout.fin for timeout in tc.timeouts)
        tip = next(timeout.fin_id for timeout in tc.timeouts if timeout.fin == fin)
        if self.configuration.is_deep:
            return self._deep_binding(tc, fin, tip)
        lock_term, lock = NONE, ZERO_DIGEST
        for timeout in tc.timeouts:
            if timeout.fin == fin and timeout.lock_term is not None and timeout.lock_term > lock_term:
                lock_term, lock = timeout.lock_term, timeout.lock_id
        read = tc.high_lock(self.committee)
        read_term, read_lock = NONE, ZERO_DIGEST
        if read is not None and read.lock_term is not None:
            read_term, read_lock = read.lock_term, read.lock_id
        fin_term = NONE if not fin or tc.fc is None else tc.fc.term
        names = self.names
        highest = TimeoutClaim(fin, names[tip], fin_term, lock_term, names[lock])
        return Binding(tc.term, highest, read_term, names[read_lock])

    def _deep_binding(self, tc: TermChange, fin: int, tip: BlockId) -> Binding:
        """Return what the next term begins on: L* of all TIMEOUTs if it is above H* and not of a term before t_f."""
        names = self.names
        fin_term = NONE if not fin or tc.fc is None else tc.fc.term
        locks = [(t.lock_term, height_of(names[t.lock_id]), names[t.lock_id]) for t in tc.timeouts if names[t.lock_id]]
        lock = NO_BLOCK
        if locks:
            term, height, block = max(locks, key=lambda each: each[:2])
            lock = block if height > fin and term is not None and term >= fin_term else NO_BLOCK
        highest = TimeoutClaim(fin, names[tip], NONE, NONE, lock)
        return Binding(tc.term, highest, NONE, names[tc.base(self.committee).block_id])

    # -- messages -----------------------------------------------------------------------------------

    def message(self, action: Delivery) -> tuple[PeerId, ConsensusMessage]:
        """Return what an action delivers, and from whom; certificates come from the liar, who may relay any."""
        known = self._messages.get(action)
        if known is None:
            known = self._messages[action] = self._message(action)
        return known

    def _message(self, action: Delivery) -> tuple[PeerId, ConsensusMessage]:
        c, liar = self.committee, self.keys[self.configuration.liar].peer_id
        match action:
            case DeliverProposal(offer):
                leader = self.keys[c.leader(offer.term)]
                body = c.propose_body(offer.term, offer.height, self.id_of(offer.block))
                tc = None if offer.binding is None else self._tc(offer.binding)
                raw, signature = self.block(offer.block).raw, leader.sign(DOMAIN_PROPOSE, c.chain_id, body)
                propose = Propose(SYMBOL, c.epoch, offer.term, offer.height, raw, tc, None, signature)
                return leader.peer_id, propose
            case DeliverNotarization(cast) | DeliverFinality(cast):
                return liar, Proof(SYMBOL, c.epoch, self.certificate(cast))
            case DeliverTermChange(tc):
                return liar, Proof(SYMBOL, c.epoch, self._tc(tc))
            case DeliverBody(block):
                return liar, BlockBody(SYMBOL, c.epoch, self.block(block).raw)

    def _tc(self, binding: Binding) -> TermChange:
        return self.term_change(binding.term, self._shown[binding])

    # -- the other naming ---------------------------------------------------------------------------

    def twin(self, value: Any) -> Any:
        """Return a value with the names o1 and o2 exchanged wherever they occur."""
        match value:
            case str():
                return self._twin_name(value)
            case Binding() if value in self._shown:
                claims, fin_term = self._shown[value]
                return self.bind(value.term, Shown(tuple((seat, self.twin(claim)) for seat, claim in claims), fin_term))
            case DeliverProposal(part) | DeliverNotarization(part) | DeliverFinality(part) | DeliverTermChange(part):
                return type(value)(self.twin(part))
            case DeliverBody(block):
                return DeliverBody(self._twin_name(block))
            case tuple():
                made = [self.twin(part) for part in value]
                return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
            case frozenset():
                return frozenset(self.twin(part) for part in value)
            case _:
                return value

    def _twin_name(self, name: str) -> str:
        known = self._twins.get(name)
        if known is None and name in self.parts:
            parts = self.parts[name]
            ops = tuple(sorted(TWINS.get(op, op) for op in parts.ops))
            known = self.name(Parts(parts.term, ops, self._twin_name(parts.parent)))
            self._twins[name] = known
        return name if known is None else known

    def offer(self, propose: Propose, block: Block) -> Offer:
        """Return the name of an honest leader's proposal."""
        binding = None if propose.tc is None else self.binding(propose.tc)
        assert binding is None or binding in self._shown, "a leader's TC was delivered to it before"
        return Offer(propose.term, propose.height, self.learn(block), binding)

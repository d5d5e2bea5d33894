"""What the rules of an author core share: its links, its pairs, and how it writes down where they are."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gossipbook.consensus.committee import Committee
from gossipbook.crdt.op import Op
from gossipbook.effects import LinkId, Persist
from gossipbook.identity import Identity, Verifier
from gossipbook.ids import ChainId, OpId, PublicKey
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest
from gossipbook.ordered import BoundedDict
from gossipbook.trade.author_events import AuthorConfig, ChainRecord, Hold
from gossipbook.trade.head import HeadSearch
from gossipbook.trade.op_chain import OpChain, StoredChain

UNSEEN_CAP = 1_024
"""Ops a pair that are certified in blocks which were not seen; what they did is asked for, the latest of them."""


WANTED_CAP = 65_536


@dataclass(slots=True)
class LinkState:
    """One live link. ``sent``: by pair, the number below which all was sent; ``asked``: whether a word is awaited."""

    public_key: PublicKey
    own: bool
    sent: dict[str, int] = field(default_factory=dict)
    asked: dict[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class KeyInPair:
    """One pair that the author uses. Times are of the timer clock.

    ``settled``: what the key signed is known as well as it can be. ``patient_until_ms``: until when further words are
    waited for. ``sent_ms``: when ops in flight were last sent. ``block_height`` and ``block_ms``: of the newest block
    that is proven. ``wanted``: ops that somebody waits to hear of; ``unseen``: those of them that are certified in a
    block which was not seen. ``asked_blocks``: when who was asked. ``over_says``: which first op of a life each peer
    refused last as past.
    """

    symbol: str
    committee: Committee
    chain: OpChain
    search: HeadSearch = field(default_factory=HeadSearch)
    settled: bool = False
    patient_until_ms: int | None = None
    hold: Hold | None = None
    hold_text: str = ""
    resending: bool = False
    resend_ms: int = 0
    tries: int = 0
    term: int = 0
    block_height: int = 0
    block_ms: int = 0
    sent_ms: dict[OpId, int] = field(default_factory=dict)
    wanted: BoundedDict[OpId, None] = field(default_factory=lambda: BoundedDict(WANTED_CAP))
    unseen: BoundedDict[OpId, Op] = field(default_factory=lambda: BoundedDict(UNSEEN_CAP))
    over_says: BoundedDict[PublicKey, OpId] = field(default_factory=lambda: BoundedDict(UNSEEN_CAP))
    asked_blocks: BoundedDict[tuple[int, LinkId], int] = field(default_factory=lambda: BoundedDict(UNSEEN_CAP))

    def record(self) -> Persist:
        """Where the chain is, for the wallet."""
        chain = self.chain
        return Persist(
            ChainRecord(
                self.symbol,
                chain.next_seq,
                chain.head,
                chain.last_client_id,
                chain.certified_seq,
                chain.certified_height,
            )
        )


class KeyState:
    """The links and pairs of one author in one network."""

    def __init__(
        self,
        author: PublicKey,
        identity: Identity | None,
        chain_id: ChainId,
        stored: Callable[[str], StoredChain],
        verifier: Verifier,
        config: AuthorConfig,
    ) -> None:
        self.author = author
        self.identity = identity
        self.chain_id = chain_id
        self.verifier = verifier
        self.config = config
        self.manifest: Manifest | None = None
        self.limits = Limits()
        self.pairs: dict[str, KeyInPair] = {}
        self.links: dict[LinkId, LinkState] = {}
        self._chains: dict[str, OpChain] = {}
        self._stored = stored

    def chain(self, symbol: str) -> OpChain:
        """The author's chain in a pair, out of the wallet when it is first used."""
        chain = self._chains.get(symbol)
        if chain is None:
            chain = self._chains[symbol] = OpChain(self._stored(symbol))
        return chain

    def loaded(self) -> list[str]:
        """The pairs whose chains are in memory."""
        return list(self._chains)

    def replace_chain(self, symbol: str, chain: OpChain) -> None:
        """Take a chain that was read anew."""
        self._chains[symbol] = chain
        if symbol in self.pairs:
            self.pairs[symbol].chain = chain

    def pair(self, symbol: str) -> KeyInPair:
        """A pair's state. The network's manifest must be known by then."""
        pair = self.pairs.get(symbol)
        if pair is None:
            assert self.manifest is not None, "join a network first"
            committee = Committee.of(self.manifest, self.chain_id, symbol)
            pair = self.pairs[symbol] = KeyInPair(symbol, committee, self.chain(symbol))
        return pair

    def targets(self, pair: KeyInPair) -> list[LinkId]:
        """All links, the best one to send an op over first: the own peer, the leader, other members, anybody."""
        leader = pair.committee.key(pair.committee.leader(pair.term))

        def rank(item: tuple[LinkId, LinkState]) -> int:
            link = item[1]
            if link.own:
                return 0
            if link.public_key == leader:
                return 1
            return 2 if pair.committee.seat_of(link.public_key) is not None else 3

        return [link for link, _ in sorted(self.links.items(), key=rank)]

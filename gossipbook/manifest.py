"""The network manifest: what all peers of a network agree on before they start.

It is shared like a genesis file. Its digest, taken over a canonical form and for epoch 0, is the
**chain id**, which is part of every handshake, message, file and signature. Addresses are hints for
finding matchers and are left out of the canonical form: moving a peer does not make another network.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from gossipbook import cbor
from gossipbook.errors import ManifestError
from gossipbook.ids import PUBLIC_KEY_BYTES, ChainId, Digest, PeerId, PublicKey, digest, peer_id
from gossipbook.limits import DEFAULT_LIMITS, Limits, Timing, check_numbers, limit_names
from gossipbook.tables import Table, read_flat

RULES_VERSION = 5
"""Of networks that are made now: special orders, leases, groups and pair states; networks of version 1 go on without.

By version 3 a block's work is bounded, events tell their order's past, authors leave the table, evidence is charged a
constant, and enters blocks only against authors who are in the table. By version 4 orders may carry a text of their
author's own, and may trade with their author's others. By version 5 a leader may have several heights in flight.
"""

KNOWN_RULES = (1, 2, 3, 4, 5)

PAIRS_CAP = 1024
MATCHERS_CAP = 1024
COMMITTEE_CAP = 7
WARDENS_CAP = 256
ADMITTED_CAP = 8_192
"""From rules version 3 on: so that receipts, which carry the manifest, have room for it."""
FAULT_MODELS = ("byzantine", "crash")

LOTS_CAP = 2**63 - 1
"""What a number in an event may be (:data:`gossipbook.cbor.INT_CAP`)."""

_UNIT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
"""A tick or lot size: no sign, no exponent, no digits but ASCII's, and so few that arithmetic stays cheap."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One trading pair: what a price tick and a lot are worth, and what an order may ask for.

    ``price_band_bps`` bounds how far beyond the last certified trade a bid may rise or an offer fall,
    in hundredths of a percent; 0 switches it off.
    """

    symbol: str
    tick_size: str = "0.01"
    lot_size: str = "1"
    min_qty_lots: int = 1
    max_qty_lots: int = 1_000_000_000
    max_price_ticks: int = 1_000_000_000
    price_band_bps: int = 0


@dataclass(frozen=True, slots=True)
class Matcher:
    """A peer that may be seated in committees. One operator holds at most max(1, f) seats of a committee."""

    name: str
    public_key: PublicKey
    operator: str
    addresses: tuple[str, ...] = ()

    @property
    def peer_id(self) -> PeerId:
        return peer_id(self.public_key)


@dataclass(frozen=True)
class Manifest:
    """A whole manifest, checked. ``admission`` is None for everybody, or the list of admitted authors."""

    name: str
    pairs: tuple[Pair, ...]
    matchers: tuple[Matcher, ...]
    committee_size: int
    fault_model: str = "byzantine"
    epoch: int = 0
    rules_version: int = RULES_VERSION
    wardens: tuple[PublicKey, ...] = ()
    admission: tuple[PublicKey, ...] | None = None
    limits: Limits = DEFAULT_LIMITS
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        if self.limits is DEFAULT_LIMITS:
            object.__setattr__(self, "limits", Limits.of(self.rules_version))
        _check_names(self)
        _check_committee(self)
        check_numbers(self.limits, self.timing, self.rules_version)

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 over the canonical form."""
        return digest(b"manifest", self.canonical())

    @property
    def chain_id(self) -> ChainId:
        """The network's identity: the digest of epoch 0's manifest."""
        if self.epoch != 0:
            raise ManifestError("epoch: only an epoch 0 manifest names a chain; later ones are reached by handover")
        return self.digest

    @cached_property
    def quorum(self) -> "Quorum":
        return Quorum.of(self.committee_size, self.fault_model)

    @property
    def depth(self) -> int:
        """How many heights of one leader may be in flight."""
        return self.limits.depth(self.rules_version)

    def pair(self, symbol: str) -> Pair:
        for pair in self.pairs:
            if pair.symbol == symbol:
                return pair
        raise ManifestError(f"no pair {symbol!r} in network {self.name!r}; it has {self.symbols()}")

    def symbols(self) -> list[str]:
        return [pair.symbol for pair in self.pairs]

    def canonical(self) -> bytes:
        """The bytes that the digest covers: every field but the matchers' addresses, in a fixed order."""
        return cbor.encode(
            [
                self.name,
                self.epoch,
                self.rules_version,
                [[getattr(pair, f.name) for f in fields(Pair)] for pair in self.pairs],
                [[m.name, m.public_key, m.operator] for m in self.matchers],
                list(self.wardens),
                None if self.admission is None else list(self.admission),
                self.committee_size,
                self.fault_model,
                [getattr(self.limits, name) for name in limit_names(self.rules_version)],
                [getattr(self.timing, f.name) for f in fields(Timing)],
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """The TOML document's content; ``from_dict`` reads it back."""
        return {
            "name": self.name,
            "epoch": self.epoch,
            "rules_version": self.rules_version,
            "committee_size": self.committee_size,
            "fault_model": self.fault_model,
            "admission": "open" if self.admission is None else [key.hex() for key in self.admission],
            "wardens": [key.hex() for key in self.wardens],
            "limits": {name: getattr(self.limits, name) for name in limit_names(self.rules_version)},
            "timing": {f.name: getattr(self.timing, f.name) for f in fields(Timing)},
            "pair": [{f.name: getattr(pair, f.name) for f in fields(Pair)} for pair in self.pairs],
            "matcher": [
                {
                    "name": m.name,
                    "public_key": m.public_key.hex(),
                    "operator": m.operator,
                    "addresses": list(m.addresses),
                }
                for m in self.matchers
            ],
        }

    @classmethod
    def from_toml(cls, text: str) -> "Manifest":
        """Parse ``network.toml``.

        Raises:
            ManifestError: naming the key that is wrong, and the nearest right one where it is unknown.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ManifestError(f"not TOML: {error}") from None
        return cls.from_dict(document)

    @classmethod
    def from_file(cls, path: Path | str) -> "Manifest":
        """Read a manifest file. Raises :class:`ManifestError`: it cannot be read, or naming the key that is wrong."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"cannot read the manifest {path}: {error}") from None
        try:
            return cls.from_toml(text)
        except ManifestError as error:
            raise ManifestError(f"{path}: {error}") from None

    @classmethod
    def from_folder(cls, folder: Path | str) -> "Manifest":
        """Read the ``network.toml`` in a folder. Raises :class:`ManifestError`, as :meth:`from_file`."""
        return cls.from_file(Path(folder) / "network.toml")

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Manifest":
        top = Table(document, "")
        admission = top.take("admission", (str, list), "open")
        if isinstance(admission, str) and admission != "open":
            raise ManifestError('admission: expected "open" or a list of public keys')
        rules_version = top.take("rules_version", int, RULES_VERSION)
        manifest = cls(
            name=top.take("name", str),
            epoch=top.take("epoch", int, 0),
            rules_version=rules_version,
            committee_size=top.take("committee_size", int),
            fault_model=top.take("fault_model", str, "byzantine"),
            admission=None if admission == "open" else tuple(_key(key, "admission") for key in admission),
            wardens=tuple(_key(key, "wardens") for key in top.take("wardens", list, [])),
            limits=read_flat(Limits, top.take("limits", dict, {}), "limits", Limits.of(rules_version)),
            timing=read_flat(Timing, top.take("timing", dict, {}), "timing"),
            pairs=tuple(read_flat(Pair, item, "pair") for item in top.take("pair", list)),
            matchers=tuple(_matcher(item) for item in top.take("matcher", list)),
        )
        top.finish()
        return manifest


@dataclass(frozen=True, slots=True)
class Quorum:
    """How many votes decide. ``n`` seats, at most ``f`` faulty, ``q`` votes make a certificate."""

    n: int
    f: int
    q: int

    @classmethod
    def of(cls, n: int, fault_model: str) -> "Quorum":
        """byzantine: f = (n-1)//3, q = ceil((n+f+1)/2); crash: q = n//2 + 1, f = n - q."""
        if fault_model == "byzantine":
            f = (n - 1) // 3
            return cls(n, f, -(-(n + f + 1) // 2))
        q = n // 2 + 1
        return cls(n, n - q, q)

    @property
    def blocking(self) -> int:
        """n - q + 1: so many members can keep every quorum from forming, so one of them is in each."""
        return self.n - self.q + 1

    @property
    def seats_per_operator(self) -> int:
        return max(1, self.f)


def _matcher(raw: object) -> Matcher:
    if not isinstance(raw, dict):
        raise ManifestError("matcher: expected a table")
    table = Table(raw, "matcher")
    name = table.take("name", str)
    matcher = Matcher(
        name=name,
        public_key=_key(table.take("public_key", str), f"matcher {name}"),
        operator=table.take("operator", str, name),
        addresses=tuple(table.take("addresses", list, [])),
    )
    table.finish()
    if not all(isinstance(address, str) for address in matcher.addresses):
        raise ManifestError(f"matcher {name}: addresses are text, host:port")
    return matcher


def _key(raw: object, where: str) -> PublicKey:
    try:
        key = bytes.fromhex(str(raw))
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise ManifestError(f"{where}: a public key is {2 * PUBLIC_KEY_BYTES} hex digits, not {raw!r}")
    return key


def _unique(values: list[Any], what: str) -> None:
    seen = []
    for value in values:
        if value in seen:
            shown = value.hex() if isinstance(value, bytes) else value
            raise ManifestError(f"{what} {shown!r} appears twice")
        seen.append(value)


def _check_names(m: Manifest) -> None:
    if not 1 <= len(m.name) <= 64:
        raise ManifestError("name: expected 1 to 64 characters")
    if m.rules_version not in KNOWN_RULES:
        raise ManifestError(f"rules_version: this build knows versions {KNOWN_RULES}, not {m.rules_version}")
    if not 1 <= len(m.pairs) <= PAIRS_CAP:
        raise ManifestError(f"pair: expected 1 to {PAIRS_CAP} of them")
    if not 1 <= len(m.matchers) <= MATCHERS_CAP:
        raise ManifestError(f"matcher: expected 1 to {MATCHERS_CAP} of them")
    _unique([pair.symbol for pair in m.pairs], "pair")
    _unique([matcher.name for matcher in m.matchers], "matcher")
    _unique([matcher.public_key for matcher in m.matchers], "matcher key")
    _unique(list(m.admission or ()), "admitted author")
    if m.rules_version >= 3 and (len(m.wardens) > WARDENS_CAP or len(m.admission or ()) > ADMITTED_CAP):
        raise ManifestError(f"wardens, admission: at most {WARDENS_CAP} and {ADMITTED_CAP} keys")
    for pair in m.pairs:
        if m.rules_version >= 3 and pair.max_qty_lots * m.limits.max_open_orders_per_pair > LOTS_CAP:
            raise ManifestError(
                f"pair {pair.symbol}: max_qty_lots times max_open_orders_per_pair is at most 2**63 - 1, so that all "
                "that is open can be counted"
            )
        if not (
            1 <= len(pair.symbol) <= 32
            and pair.symbol.isascii()
            and pair.symbol.isprintable()
            and " " not in pair.symbol
        ):
            raise ManifestError(f"pair {pair.symbol!r}: a symbol has 1 to 32 printable ASCII characters, no spaces")
        _check_pair(pair)


def _check_pair(pair: Pair) -> None:
    for name in ("tick_size", "lot_size"):
        text = getattr(pair, name)
        if not _UNIT.fullmatch(text) or not Decimal(text):
            raise ManifestError(
                f'pair {pair.symbol}: {name} is a plain positive decimal in quotes, such as "0.01", with at most 18 '
                f"digits on each side of the point; not {text!r}"
            )
    if not 1 <= pair.min_qty_lots <= pair.max_qty_lots <= 10**15:
        raise ManifestError(f"pair {pair.symbol}: needs 1 <= min_qty_lots <= max_qty_lots <= 10**15")
    if not 1 <= pair.max_price_ticks <= 10**15:
        raise ManifestError(f"pair {pair.symbol}: max_price_ticks is in 1..10**15")
    if not 0 <= pair.price_band_bps <= 10**6:
        raise ManifestError(f"pair {pair.symbol}: price_band_bps is in 0..1000000")


def _check_committee(m: Manifest) -> None:
    if m.fault_model not in FAULT_MODELS:
        raise ManifestError(f"fault_model: expected one of {FAULT_MODELS}, not {m.fault_model!r}")
    least = 4 if m.fault_model == "byzantine" else 1
    if not least <= m.committee_size <= COMMITTEE_CAP:
        raise ManifestError(
            f"committee_size: {m.fault_model} needs {least} to {COMMITTEE_CAP} seats, not {m.committee_size}"
        )
    per_operator = Quorum.of(m.committee_size, m.fault_model).seats_per_operator
    operators: dict[str, int] = {}
    for matcher in m.matchers:
        operators[matcher.operator] = min(per_operator, operators.get(matcher.operator, 0) + 1)
    if (seats := sum(operators.values())) < m.committee_size:
        raise ManifestError(
            f"committee_size: {m.committee_size} seats, but the matchers can fill only {seats} "
            f"with at most {per_operator} for each operator; add matchers of other operators"
        )

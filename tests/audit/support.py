"""Small real networks, their exports, and the means to make false ones: here the test holds every member's key."""

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gossipbook import cbor
from gossipbook.audit import Report, verify_exports
from gossipbook.audit.chain import merkle_root
from gossipbook.audit.export import CertificateEntry
from gossipbook.audit.seats import COMMIT, VOTE_TAG, Seats
from gossipbook.audit.writer import export_lines
from gossipbook.crdt.op import Op, sign_op
from gossipbook.crdt.stays import STAYS_SINCE, opening_expiry_ms
from gossipbook.identity import DOMAIN_VOTE, Identity
from gossipbook.ids import ZERO_DIGEST, digest
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    Place,
    PlaceNamed,
    PlaceSpecial,
    SelfTrade,
    SetState,
)
from gossipbook.peer.events import Submitted
from gossipbook.scenario.conditions import Delay
from gossipbook.sim.clocks import START_WALL_MS
from gossipbook.sim.network import Network as Wires
from gossipbook.sim.world import World

PAIRS = Pair("BTC/USD"), Pair("ETH/USD", price_band_bps=9_000)
SYMBOLS = [pair.symbol for pair in PAIRS]
Line = dict[str, Any]


def identity(name: str) -> Identity:
    return Identity(digest(b"test", name.encode()))


def make_manifest(**options: Any) -> Manifest:
    matchers = tuple(Matcher(f"m{i}", identity(f"m{i}").public_key, f"op{i}", (f"host{i}:1",)) for i in range(4))
    options.setdefault("rules_version", 2)
    return Manifest("audited", PAIRS, matchers, 4, **options)


MEMBERS = [identity(f"m{i}") for i in range(4)]
KEYS = {member.public_key: member for member in MEMBERS}


class Wallet:
    """An author in one pair."""

    def __init__(self, name: str, manifest: Manifest, symbol: str) -> None:
        self.identity, self.manifest, self.symbol = identity(name), manifest, symbol
        self.seq, self.prev, self.client_id = 0, ZERO_DIGEST, 0

    def sign(self, commands: Sequence[Command], expiry_ms: int = 0) -> Op:
        if not self.seq and self.manifest.rules_version >= STAYS_SINCE:
            opens_ms = opening_expiry_ms(START_WALL_MS, self.manifest.limits.author_retention_ms)
            expiry_ms = opens_ms
        op = sign_op(self.identity, self.manifest.chain_id, self.symbol, self.seq, self.prev, commands, expiry_ms)
        self.seq, self.prev = self.seq + 1, op.id
        return op

    def next_id(self) -> int:
        self.client_id += 1
        return self.client_id


def some_command(wallet: Wallet, rng: random.Random, now_ms: int) -> Command:
    """Anything that an author may ask for; prices are few, so that orders meet, own ones too."""
    roll = rng.random()
    if roll < 0.12 and wallet.client_id:
        return Cancel(rng.randint(1, wallet.client_id + 1))
    if roll < 0.26 and wallet.client_id:
        client_id = rng.randint(max(1, wallet.client_id - 6), wallet.client_id)
        return Amend(
            client_id, rng.choice([0, rng.randint(96, 104)]), rng.choice([0, rng.randint(1, 12)]), rng.randint(0, 1)
        )
    if roll < 0.29:
        return CancelAll(rng.randint(0, 2))
    tif = rng.choice([1, 1, 1, 2, 3, 4])
    kind = 2 if tif >= 3 and rng.random() < 0.3 else 1
    post_only = int(tif == 1 and rng.random() < 0.3)
    expires_ms = now_ms + rng.randint(50, 900) if tif == 2 else 0
    side, price, lots = rng.randint(1, 2), rng.randint(96, 104), rng.randint(1, 9)
    return Place(wallet.next_id(), side, kind, price, lots, tif, post_only, rng.randint(1, 4), expires_ms)


def some_named(wallet: Wallet, rng: random.Random, now_ms: int) -> Command:
    """Anything that came with rules version 4, and what it meets."""
    if rng.random() < 0.6:
        return some_special(wallet, rng, now_ms)
    side, price, lots = rng.randint(1, 2), rng.randint(96, 104), rng.randint(2, 12)
    number = wallet.next_id()
    text_id = rng.choice(["", f"my-{number}", "~" * 36])
    mode = SelfTrade.ALLOW if not text_id else rng.choice(list(SelfTrade))
    return PlaceNamed(number, side, 1, price, lots, rng.choice([1, 3]), self_trade=mode, text_id=text_id)


def some_special(wallet: Wallet, rng: random.Random, now_ms: int) -> Command:
    """Anything that came with rules version 2, but a warden's commands; and what it meets."""
    roll = rng.random()
    if roll < 0.4:
        return some_command(wallet, rng, now_ms)
    if roll < 0.48:
        return Lease(rng.choice([0, 60, 200, 1_000]))
    if roll < 0.54:
        return JoinGroup(rng.choice([b"", *FRIENDS]))
    if roll < 0.6:
        return AdmitToGroup(rng.choice(FRIENDS), rng.randint(0, 1))
    side, price, lots = rng.randint(1, 2), rng.randint(96, 104), rng.randint(2, 12)
    fields = {"tif": 1, "flags": 0, "self_trade": rng.randint(1, 4)}
    match rng.randrange(4):
        case 0:
            return PlaceSpecial(wallet.next_id(), side, 1, price, lots, **fields, display_lots=rng.randint(1, lots))
        case 1:
            return PlaceSpecial(wallet.next_id(), side, 1, price, lots, **{**fields, "tif": 3}, min_lots=lots // 2)
        case 2:
            return PlaceSpecial(wallet.next_id(), side, 1, price, lots, **{**fields, "flags": 3})
    stop = price + (-1 if side == 1 else 1) * rng.randint(0, 2)
    shown = rng.choice([0, 1]) if rng.random() < 0.5 else 0
    kind = 4 if shown else rng.choice([3, 4])
    return PlaceSpecial(wallet.next_id(), side, kind, price, lots, **fields, display_lots=shown, stop_ticks=stop)


FRIENDS = [identity(name).public_key for name in ("ann", "ben", "cat", "dan")]
WARDEN = identity("wes").public_key
SLOW = Delay("uniform", 10_000, 30_000)  # microseconds; slow enough that ops gather while a block is under way


@dataclass
class Network:
    """A finished run: each peer's exports as parsed lines, and what was acked."""

    manifest: Manifest
    exports: dict[str, list[list[Line]]]  # pair → peer → lines
    acks: list[Line]


@functools.cache
def network(seed: int = 7, rounds: int = 16) -> Network:
    """Four peers and two pairs; amends, cancels, IOC and FOK, self-trades, GTD orders, void ops, an equivocator."""
    manifest, rng = make_manifest(), random.Random(seed)
    world = World(manifest, MEMBERS, seed=seed, network=Wires(random.Random(seed), SLOW))
    peers = list(world.hosts)
    for peer in peers:
        world.start(peer)
    world.run(1_000)
    for number in range(rounds):
        for symbol in SYMBOLS:
            for name in rng.sample(["ann", "ben", "cat", "dan"] * 2, 4):
                wallet = _wallet(name, manifest, symbol)
                now_ms = world.now().wall_ms
                commands = [some_command(wallet, rng, now_ms) for _ in range(rng.randint(1, 6))]
                expiry_ms = rng.choice([0, 0, now_ms + 1, now_ms + 5_000])
                world.push(rng.randint(0, 20_000), rng.choice(peers), Submitted(wallet.sign(commands, expiry_ms)))
        if number == rounds // 2:
            _equivocate(world, manifest, peers)
        world.run(rng.randint(20, 150))
    return _finished(world, manifest)


@functools.cache
def special_network(seed: int = 3, rounds: int = 40) -> Network:
    """The same with everything of rules version 2: few triggers a block, a low rate, short leases, a busy warden."""
    limits = Limits.of(2, max_commands_per_author_per_s=12, max_triggers_per_block=1)
    manifest, rng = make_manifest(wardens=(WARDEN,), limits=limits), random.Random(seed)
    world = World(manifest, MEMBERS, seed=seed, network=Wires(random.Random(seed), SLOW))
    peers = list(world.hosts)
    for peer in peers:
        world.start(peer)
    world.run(1_000)
    for number in range(rounds):
        for symbol in SYMBOLS:
            for name in rng.sample(["ann", "ben", "cat", "dan"] * 2, 3):
                wallet = _wallet(name, manifest, symbol)
                now_ms = world.now().wall_ms
                commands = [some_special(wallet, rng, now_ms) for _ in range(rng.randint(1, 4))]
                expiry_ms = rng.choice([0, 0, 0, now_ms + 1])
                world.push(rng.randint(0, 20_000), rng.choice(peers), Submitted(wallet.sign(commands, expiry_ms)))
            if number % 3 == 0:
                who = _wallet(rng.choice(["wes", "wes", "ann"]), manifest, symbol)
                state = 5 if number % 9 == 3 else 1 if number % 9 == 6 else rng.choice([1, 1, 2, 3, 4])
                world.push(30_000, peers[0], Submitted(who.sign([SetState(state)])))
        world.run(rng.choice([50, 150, 400]))
    return _finished(world, manifest)


def _finished(world: World, manifest: Manifest) -> Network:
    world.run(5_000)
    assert world.now().wall_ms > START_WALL_MS
    exports = {
        symbol: [
            [json.loads(line) for line in export_lines(manifest, symbol, host.journal.blocks(symbol, 1, 10_000, 0))]
            for host in world.hosts.values()
        ]
        for symbol in SYMBOLS
    }
    _wallet.cache_clear()
    return Network(manifest, exports, _acks(exports))


@functools.cache
def _wallet(name: str, manifest: Manifest, symbol: str) -> Wallet:
    return Wallet(name, manifest, symbol)


def _equivocate(world: World, manifest: Manifest, peers: list[bytes]) -> None:
    eve = _wallet("eve", manifest, SYMBOLS[0])
    world.push(0, peers[0], Submitted(eve.sign([Place(1, 1, 1, 90, 5, 1)])))
    world.run(300)
    for peer, price in zip(peers[:2], (91, 92), strict=True):
        op = sign_op(eve.identity, manifest.chain_id, SYMBOLS[0], eve.seq, eve.prev, [Place(2, 1, 1, price, 5, 1)])
        world.push(0, peer, Submitted(op))


def _acks(exports: dict[str, list[list[Line]]]) -> list[Line]:
    """What clients were told: every op of the first peer's export, at one level or another."""
    acks = []
    for symbol, files in exports.items():
        for line in files[0][1:]:
            for number, op in enumerate(line["ops"]):
                if "evidence" not in op:
                    level = ("durable", "relayed", "certified")[number % 3]
                    acks.append({"pair": symbol, "op_id": op["id"], "level": level, "height": line["height"]})
    return acks


# -- files ------------------------------------------------------------------------------------------


def dumps(line: Line) -> str:
    return json.dumps(line, separators=(",", ":"))


def write(path: Path, lines: Sequence[Line | str]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else dumps(line)) + "\n" for line in lines))
    return path


def write_all(folder: Path, exports: dict[str, list[list[Line]]]) -> list[Path]:
    return [
        write(folder / f"{symbol.replace('/', '-')}.{peer}.ndjson", lines)
        for symbol, files in exports.items()
        for peer, lines in enumerate(files)
    ]


def verify_lines(folder: Path, *files: Sequence[Line | str], **options: Any) -> Report:
    """The report on exports with these lines."""
    return verify_exports([write(folder / f"{n}.ndjson", lines) for n, lines in enumerate(files)], **options)


def copy(lines: Sequence[Line]) -> list[Line]:
    found: list[Line] = json.loads(json.dumps(lines))
    return found


def has_reason(report: Report, *words: str) -> bool:
    """Whether one reason has all these words."""
    return any(all(word in reason for word in words) for reason in report.reasons)


# -- forging ----------------------------------------------------------------------------------------

FIELDS = ("version", "chain_id", "epoch", "pair", "height", "parent", "proposer", "created_term", "time_ms")
FIELDS += ("op_ids", "events_digest", "root")


def block_fields(line: Line) -> dict[str, Any]:
    return dict(zip(FIELDS, cbor.decode(bytes.fromhex(line["block"])), strict=True))


def seats_of(manifest: Manifest, symbol: str) -> Seats:
    return Seats.of(manifest, symbol)


def sign_votes(seats: Seats, line: Line, voters: Sequence[int], term: int = 0, kind: int = COMMIT) -> Line:
    """A certificate for a line's block, by the seats' own keys."""
    block_id = bytes.fromhex(line["id"])
    signers = []
    for seat in voters:
        check = seats.votes(CertificateEntry(term, line["height"], block_id, ((seat, bytes(64)),)), kind)[0]
        body = check.signed[len(VOTE_TAG) + 32 :]
        signers.append([seat, KEYS[seats.keys[seat]].sign(DOMAIN_VOTE, seats.chain_id, body).hex()])
    return {"term": term, "height": line["height"], "block_id": line["id"], "signers": signers}


def reseal(seats: Seats, line: Line, before: Line | None = None, **changes: Any) -> Line:
    """The line with its block made anew: op ids and what is listed agree, hashes are right, a full quorum signs.

    With ``before``, the line of the block before, the events digest is that of the events now listed.
    """
    line = copy([line])[0]
    fields = {**block_fields(line), "op_ids": [bytes.fromhex(op["id"]) for op in line["ops"]], **changes}
    if before is not None:
        parent = block_fields(before)["events_digest"] if before["kind"] == "block" else ZERO_DIGEST
        events = [tuple(bytes.fromhex(f) if isinstance(f, str) else f for f in event) for event in line["events"]]
        fields["events_digest"] = digest(b"events", parent, merkle_root(events))
    raw = cbor.encode([fields[name] for name in FIELDS])
    line.update(block=raw.hex(), id=digest(b"block", raw).hex(), height=fields["height"], time_ms=fields["time_ms"])
    line.update(proposer=fields["proposer"].hex(), created_term=fields["created_term"])
    line["certificate"] = sign_votes(seats, line, range(seats.quorum), fields["created_term"])
    return line

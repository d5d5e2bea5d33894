"""What one message from any link costs a peer: CPU from its bytes to the last answer, and bytes in and out.

    python benchmarks/messages.py [authors with a pending op]

The peer is a member of a pair at work, with a chain behind it and a pool of many authors, cut off from the others, so
that what is pending stays. Each message is decoded, its signatures are verified, the core handles it, and what it sends
is encoded; blocks out of the journal and answers to clients are counted too. Costs are medians of several messages, the
worst that a stranger can make of each kind, and are set against the yardstick, twenty million additions in a loop.
docs/SECURITY.md has the table, and ``peer/allowance.py`` the limits.
"""

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from consensus.cluster import Author, Cluster, S  # noqa: E402
from consensus.kit import SYMBOL, buy, identity, sell  # noqa: E402
from net.support import make_network, open_peer, until  # noqa: E402
from simulation import yardstick  # noqa: E402

from gossipbook import client_messages as q  # noqa: E402
from gossipbook.consensus import messages as c  # noqa: E402
from gossipbook.consensus.block import make_block  # noqa: E402
from gossipbook.consensus.certificate import Timeout, Vote  # noqa: E402
from gossipbook.consensus.committee import PREPARE  # noqa: E402
from gossipbook.crdt.author_log import FrontierEntry  # noqa: E402
from gossipbook.crdt.messages import AskHeld, Frontier, Held  # noqa: E402
from gossipbook.crdt.op import GENESIS_PREV, Evidence, sign_op  # noqa: E402
from gossipbook.effects import Lane, Send, SendStored  # noqa: E402
from gossipbook.gossip import messages as g  # noqa: E402
from gossipbook.identity import DOMAIN_PROPOSE, DOMAIN_TIMEOUT, DOMAIN_VOTE, verify_signature  # noqa: E402
from gossipbook.ids import ZERO_DIGEST, PublicKey  # noqa: E402
from gossipbook.net.service import Service  # noqa: E402
from gossipbook.peer.allowance import RATES  # noqa: E402
from gossipbook.peer.events import LinkUp, Received, Submitted  # noqa: E402
from gossipbook.sim.clocks import START_WALL_MS  # noqa: E402
from gossipbook.trade.wallet import Wallet  # noqa: E402
from gossipbook.wire.codec import decode_message, encode_message  # noqa: E402
from gossipbook.wire.handshake import Role  # noqa: E402

AUTHORS = 5_000
BLOCKS = 80
EACH = 15
IDS = 1_024
ORDERS = 4_000
SOLD = 1_000


def number(salt: str, n: int) -> bytes:
    return hashlib.sha256(f"{salt} {n}".encode()).digest()


@dataclass
class Cost:
    """Of one message: bytes, and CPU in seconds."""

    bytes_in: float
    cpu_s: float
    to_asker: float
    to_others: float
    others: float


class Victim:
    """A member with a chain and a full pool, and a stranger linked to it as a peer and as a client."""

    def __init__(self, authors: int) -> None:
        cluster = self.cluster = Cluster(4, seed=3, followers=1, rules_version=3).start()
        self.manifest = cluster.manifest
        honest = Author("honest", self.manifest)
        for n in range(BLOCKS):
            cluster.submit(0, honest.sign(buy(n + 1)))
            cluster.world.run(S // 10)
        cluster.cut([0], [1, 2, 3, 4])
        cluster.world.run(5 * S)
        self.host = cluster.world.hosts[cluster.ids[0]]
        assert self.host.peer is not None
        self.peer = self.host.peer
        self.pair = self.peer.pairs[SYMBOL]
        self.committee = self.pair.committee
        self.stranger, self.client = identity("stranger").peer_id, identity("client").peer_id + b"0001"
        for name, link, role in (("stranger", self.stranger, Role.PEER), ("client", self.client, Role.CLIENT)):
            self.handle(LinkUp(link, identity(name).public_key, role, False))
        self.bodies = [self.first_op(f"pending {n}") for n in range(authors)]
        for op in self.bodies:
            self.pair.ops.insert(op, self.now().timer_ms)
        self.flush()

    def now(self) -> Any:
        return self.host.clock.now(self.cluster.world.now_us)

    def handle(self, event: Any) -> list[Any]:
        return self.peer.handle(event, self.now()) + self.peer.flush(self.now())

    def flush(self) -> None:
        self.peer.flush(self.now())

    def first_op(self, name: str, commands: int = 1, seq: int = 0) -> Any:
        expiry_ms = START_WALL_MS + self.manifest.limits.author_retention_ms // 2
        orders = [buy(n + 1) for n in range(commands)]
        return sign_op(identity(name), self.manifest.chain_id, SYMBOL, seq, GENESIS_PREV, orders, expiry_ms)

    def cost(self, link: bytes, message: Any) -> Cost:
        raw = encode_message(message)
        self.peer.allowance.link_down(link)  # As on a link that has said nothing yet.
        self.peer.faults.forget(link)
        self.peer.links.setdefault(link, Role.PEER)
        to_asker = to_others = others = 0
        began = time.process_time()
        decoded = decode_message(raw)
        assert self.peer.refuse(link, decoded, self.now()) is None, type(message).__name__
        for check in self.peer.prepare(decoded):
            self.peer.verifier.learn(check, verify_signature(check))
        for effect in self.handle(Received(link, decoded)):
            if isinstance(effect, Send):
                size = len(encode_message(effect.message))
                to_asker += size * (link in effect.to)
                others += len([to for to in effect.to if to != link])
                to_others += size * len([to for to in effect.to if to != link])
            elif isinstance(effect, SendStored):
                blocks = self.host.journal.blocks(SYMBOL, effect.first, effect.last, 0)
                to_asker += sum(len(encode_message(block)) for block in blocks)
        return Cost(len(raw), time.process_time() - began, to_asker, to_others, others)


Maker = Callable[[int], Any]


def from_peers(v: Victim) -> dict[str, Maker]:
    """What any peer link may send, by what a stranger can make of it."""
    rep, com = v.pair.replica, v.committee
    liar = v.cluster.members[1]
    digest, height, term = v.pair.ops.digest(), rep.fin + 1, rep.member.ballot.term
    ids = [op.id for op in v.bodies]
    forks = [sign_op(identity("forker"), v.manifest.chain_id, SYMBOL, 0, number("x", n), [buy(1)]) for n in range(99)]
    head, known = v.pair.certified.author(identity("honest").public_key), identity("honest")

    def push(*items: Any) -> g.Push:
        return g.Push(SYMBOL, encode_message(c.Bodies(SYMBOL, items)))

    def vote(n: int) -> Vote:
        body = com.vote_body(PREPARE, term, height, number("v", n))
        return Vote(PREPARE, term, height, number("v", n), 1, liar.sign(DOMAIN_VOTE, com.chain_id, body))

    def give_up(n: int) -> c.GiveUp:
        body = com.timeout_body(term + n, 0, com.genesis, None, ZERO_DIGEST)
        signature = liar.sign(DOMAIN_TIMEOUT, com.chain_id, body)
        timeout = Timeout(term + n, 0, com.genesis, None, ZERO_DIGEST, 1, signature)
        return c.GiveUp(SYMBOL, 0, timeout, None, None, tuple(number(f"d{n}", i) for i in range(IDS)))

    def propose(n: int) -> c.Propose:
        parts = {"chain_id": com.chain_id, "epoch": 0, "pair": SYMBOL, "height": height, "parent": rep.tip}
        named = tuple(number(f"p{n}", i) for i in range(IDS))
        block = make_block(
            **parts,
            proposer=liar.public_key,
            created_term=term,
            time_ms=n + 1,
            op_ids=named,
            events_digest=ZERO_DIGEST,
        )
        signature = liar.sign(DOMAIN_PROPOSE, com.chain_id, com.propose_body(term, height, block.id))
        return c.Propose(SYMBOL, 0, term, height, block.raw, None, None, signature)

    def evidence(n: int) -> Evidence:
        who = identity(f"forks {n}")
        pair = [sign_op(who, v.manifest.chain_id, SYMBOL, 1, number("e", i), [buy(1)]) for i in range(2)]
        return Evidence(*sorted(pair, key=lambda op: op.id))

    def next_op(n: int, commands: int) -> Any:
        orders = [buy(1_000 + 256 * n + i) for i in range(commands)]
        nonlocal head
        op = sign_op(known, v.manifest.chain_id, SYMBOL, head.next_seq, head.head, orders)
        head = head._replace(next_seq=op.seq + 1, head=op.id)
        return op

    def entries(n: int) -> tuple[FrontierEntry, ...]:
        keys = sorted(PublicKey(number(f"f{n}", i)) for i in range(192))
        return tuple(FrontierEntry(key, 1, number("h", 0), False) for key in keys)

    def unchoke_of_all(n: int) -> g.Unchoke:
        for source in range(v.peer.router.config.choked_cap):
            v.peer.router.chokes.on_choke(v.stranger, "another topic", number("c", source), True)
        return g.Unchoke(SYMBOL, None)

    blocks = v.host.journal.blocks(SYMBOL, 1, rep.fin, 0)
    return {
        "Subscribe": lambda n: g.Subscribe((SYMBOL,)),
        "Graft": lambda n: g.Graft(SYMBOL),
        "Prune": lambda n: g.Prune(SYMBOL, 60),
        "Choke": lambda n: g.Choke(SYMBOL, number("c", n), True),
        "Unchoke": lambda n: g.Unchoke(SYMBOL, number("c", n)),
        "Unchoke of all, 8,192 choked": unchoke_of_all,
        "IHave, 1,024 ids": lambda n: g.IHave(SYMBOL, tuple(number(f"i{n}", i) for i in range(IDS))),
        "IWant, 1 id": lambda n: g.IWant((ids[n],)),
        "IWant, 1,000 ids": lambda n: g.IWant(tuple(number(f"w{n}", i) for i in range(1_000))),
        "Push of an op": lambda n: push(next_op(n, 1)),
        "Push of an op of 256 commands": lambda n: push(next_op(n, 256)),
        "Push of a newcomer's op": lambda n: push(v.first_op(f"fresh {n}")),
        "Push of an op beyond a gap": lambda n: push(v.first_op(f"gap {n}", seq=7)),
        "Push of one more fork": lambda n: push(forks[n]),
        "Push of evidence": lambda n: push(evidence(n)),
        "Push of garbage": lambda n: g.Push(SYMBOL, number("garbage", n) * 10),
        "Push of a member's vote": lambda n: g.Push(SYMBOL, encode_message(c.CastVote(SYMBOL, 0, vote(n)))),
        "Push of a member's TIMEOUT": lambda n: g.Push(SYMBOL, encode_message(give_up(n))),
        "Push of a member's proposal": lambda n: g.Push(SYMBOL, encode_message(propose(n))),
        "Push of an old block": lambda n: g.Push(SYMBOL, encode_message(blocks[n])),
        "Propose": propose,
        "CastVote": lambda n: c.CastVote(SYMBOL, 0, vote(1_000 + n)),
        "GiveUp": lambda n: give_up(100 + n),
        "Proof": lambda n: c.Proof(SYMBOL, 0, blocks[n].fc),
        "Status, one of mine": lambda n: c.Status(SYMBOL, 0, rep.fin, rep.tip, term, digest, True),
        "Status, another pool": lambda n: c.Status(SYMBOL, 0, rep.fin, rep.tip, term, number("s", n), True),
        "Status, far behind": lambda n: c.Status(SYMBOL, 0, 0, com.genesis, 0, ZERO_DIGEST, True),
        "Status, far ahead": lambda n: c.Status(SYMBOL, 0, 10**9, com.genesis, 10**6, ZERO_DIGEST, True),
        "Sync from the first block": lambda n: c.Sync(SYMBOL, 0, 1),
        "FinalizedBlock, an old one": lambda n: blocks[n],
        "Fetch, 1 id": lambda n: c.Fetch(SYMBOL, (ids[n],)),
        "Fetch, 1,024 ids held": lambda n: c.Fetch(SYMBOL, tuple(ids[:IDS])),
        "Fetch, 1,024 ids unknown": lambda n: c.Fetch(SYMBOL, tuple(number(f"u{n}", i) for i in range(IDS))),
        "Bodies, a newcomer's": lambda n: c.Bodies(SYMBOL, (v.first_op(f"body {n}"),)),
        "FetchBlock": lambda n: c.FetchBlock(SYMBOL, 0, rep.tip),
        "BlockBody": lambda n: c.BlockBody(SYMBOL, 0, blocks[n].block),
        "AskVotes": lambda n: c.AskVotes(SYMBOL, 0),
        "OwnVotes": lambda n: c.OwnVotes(SYMBOL, 0, (vote(2_000 + n),), None),
        "Frontier, empty": lambda n: Frontier(SYMBOL, b"", b"", (), False),
        "Frontier, 192 unknown authors": lambda n: Frontier(SYMBOL, b"", b"", entries(n), False),
        "AskHeld, 1,024 ids unknown": lambda n: AskHeld(SYMBOL, tuple(number(f"a{n}", i) for i in range(IDS))),
        "AskHeld, 1,024 ids held": lambda n: AskHeld(SYMBOL, tuple(ids[:IDS])),
        "Held, 1,024 ids": lambda n: Held(SYMBOL, tuple(ids[:IDS])),
    }


def from_clients(v: Victim) -> dict[str, Maker]:
    forged = [v.first_op(f"client {n}") for n in range(EACH)]
    return {
        "Submit of a newcomer's op": lambda n: q.Submit(forged[n]),
        "Submit of it again": lambda n: q.Submit(forged[0]),
        "Follow of a book": lambda n: q.Follow(SYMBOL),
    }


def row(name: str, kind: type[Any], size: float, cpu_s: float, to_asker: float, to_others: float = 0) -> None:
    """Print a row of docs/SECURITY.md."""
    rate = RATES[kind]
    limit = f"{rate.per_s:,}, {rate.burst:,}{' *p*' if rate.per_pair else ''}"
    times = f"{to_others:,.0f} (× {to_others / size:.1f})" if to_others else "0"
    print(
        f"| {name} | {size:,.0f} | {1_000_000 * cpu_s / YARD_S:,.0f} | {to_asker:,.0f} | {times} | {limit} |",
        flush=True,
    )


def table(v: Victim, link: bytes, makers: dict[str, Maker]) -> None:
    """What the core is given."""
    kinds = {kind.__name__: kind for kind in RATES}
    for name, make in makers.items():
        costs = [v.cost(link, message) for message in [make(n) for n in range(EACH)]]
        fields = ("bytes_in", "cpu_s", "to_asker", "to_others")
        row(
            name,
            kinds[name.replace(",", " ").split()[0]],
            *(statistics.median(getattr(cost, field) for cost in costs) for field in fields),
        )


class Ear:
    """Stands where a client's link stands, and counts what it is sent."""

    def __init__(self, number: int) -> None:
        self.id = identity("ear").peer_id + number.to_bytes(8, "big")
        self.heard = 0
        self.ended = trio.Event()

    def offer(self, raw: bytes, _lane: Lane) -> None:
        self.heard += len(raw)
        self.ended.set()

    def backlog_bytes(self, _lane: Lane) -> int:
        return 0

    def room(self, _lane: Lane) -> bool:
        return True


async def questions(folder: Path) -> None:
    """What the shell answers: a peer alone, with a book of many orders behind it."""
    manifest = make_network(folder, 1)
    pair = manifest.symbols()[0]
    async with open_peer(manifest, folder / "peer1") as runtime:
        service = Service(runtime)
        wallet = Wallet(identity("asker"), manifest.chain_id)
        ops = []
        for first in range(1, ORDERS, 250):
            orders = [buy(n, 100 + n % 500) for n in range(first, first + 250)]
            ops.append(wallet.sign(pair, orders))
        other = Wallet(identity("seller"), manifest.chain_id)
        ops += [other.sign(pair, [sell(n) for n in range(first, first + 125)]) for first in range(1, SOLD, 125)]
        await runtime.driver.feed([Submitted(op) for op in ops])
        await until(lambda: runtime.peer.pairs[pair].commands_certified >= ORDERS + SOLD)
        key = wallet.identity.public_key
        told = {"pair": pair, "key": key.hex()}
        asked: dict[str, tuple[Any, ...]] = {
            "status": (),
            "peers": (),
            "members": (pair,),
            "manifest": (),
            "pair": (pair,),
            "book": (pair, "500"),
            "order": (pair, told["key"], "1"),
            "head": (pair, told["key"]),
            "receipt": (pair, told["key"], "1", "0"),
            "explain": (pair, told["key"], "1"),
            "find": (pair, told["key"], "order 1"),
            "orders": (pair, told["key"], "all", "", "", "200"),
            "fills": (pair, told["key"], "", "", "200"),
            "statement": ("", told["key"], ""),
            "trades": (pair, "", "", "200"),
            "candles": (pair, "1m", "", "", "1000"),
        }
        makers: dict[str, Any] = {f"Query: {what}": q.Query(1, what, words) for what, words in asked.items()}
        makers |= {"AskAuthor": q.AskAuthor(pair, key, 0), "AskBlock": q.AskBlock(pair, 1)}
        for number, (name, message) in enumerate(makers.items()):
            cpu, heard = [], 0
            for turn in range(EACH):
                ear = Ear(1_000 * number + turn)
                raw = encode_message(message)
                began = time.process_time()
                service.answer(ear, decode_message(raw))  # type: ignore[arg-type]
                await ear.ended.wait()
                cpu.append(time.process_time() - began)
                heard = ear.heard
            row(name, type(message), len(raw), statistics.median(cpu), heard)


YARD_S = yardstick()


def main() -> None:
    victim = Victim(int(sys.argv[1]) if len(sys.argv) > 1 else AUTHORS)
    ops = victim.pair.ops
    print(f"yardstick {YARD_S:.2f} s; {len(ops):,} ops of {len(ops.logs):,} authors, {victim.pair.replica.fin} blocks")
    print("| message | bytes in | CPU | to who asks | to others | a second, at once |\n|---|---:|---:|---:|---:|---:|")
    table(victim, victim.stranger, from_peers(victim))
    table(victim, victim.client, from_clients(victim))
    with tempfile.TemporaryDirectory() as folder:
        trio.run(questions, Path(folder))


if __name__ == "__main__":
    main()

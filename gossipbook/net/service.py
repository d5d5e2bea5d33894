"""Answers to clients that only read: status, peers, books, orders, author heads; and event feeds.

Everything is answered from the peer core's memory, in one turn, as JSON.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gossipbook.consensus.records import Finalized
from gossipbook.effects import Lane, LinkId
from gossipbook.ids import PUBLIC_KEY_BYTES
from gossipbook.matching.commands import Side
from gossipbook.net.link import ABUSE, Link
from gossipbook.net.runtime import Runtime
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.requests import Answer, PairEvents, Query, Watch
from gossipbook.wire.codec import JSON_CAP, encode_message

EVENTS_PER_MESSAGE = 512
BOOK_LEVELS_CAP = 500
WATCHES_PER_LINK_CAP = 1_024


class BadQuery(Exception):
    """A query that cannot be answered; the text goes back to the client."""


class Service:
    """The reading door of one running peer."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._watchers: dict[str, dict[LinkId, None]] = {symbol: {} for symbol in runtime.peer.pairs}
        runtime.driver.on_request = self.answer
        runtime.driver.on_link_down.append(self._forget)
        runtime.driver.subscribers.append(self._on_event)
        self._questions: dict[str, Callable[..., Any]] = {
            "status": self.status,
            "peers": self.peers,
            "book": self.book,
            "order": self.order,
            "head": self.head,
            "manifest": lambda: runtime.manifest.to_dict(),
        }

    def answer(self, link: Link, message: Query | Watch) -> None:
        """Answer a client on its link."""
        if isinstance(message, Watch):
            if message.pair in self._watchers:
                self._watchers[message.pair][link.id] = None
            return
        try:
            question = self._questions.get(message.what)
            if question is None:
                raise BadQuery(f"unknown query {message.what!r}; known: {sorted(self._questions)}")
            good, body = True, json.dumps(question(*message.arguments)).encode()
            if len(body) > JSON_CAP:
                raise BadQuery("the answer is too large; ask for less")
        except BadQuery as error:
            good, body = False, json.dumps({"error": str(error)}).encode()
        except (TypeError, ValueError):
            good, body = False, json.dumps({"error": f"wrong arguments for {message.what!r}"}).encode()
        link.offer(encode_message(Answer(message.number, good, body)), Lane.SYNC)

    # -- questions ----------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Who this peer is, how each pair fares, and what it refused, with reasons."""
        runtime = self._runtime
        return {
            "name": self._name(runtime.identity.public_key),
            "peer_id": runtime.identity.peer_id.hex(),
            "public_key": runtime.identity.public_key.hex(),
            "network": runtime.manifest.name,
            "chain_id": runtime.manifest.chain_id.hex(),
            "addresses": list(map(str, runtime.addresses)),
            "dht": None if runtime.dht is None else "{}:{}".format(*runtime.dht.address),
            "started_ms": runtime.started_ms,
            "links": len(runtime.driver.links),
            "failed_dials": runtime.failed_dials,
            "pairs": [self._pair_status(pair) for pair in runtime.peer.pairs.values()],
            "rejected": self._rejected(),
            "counts": dict(sorted(runtime.driver.counts.items())),
            "journal_commits": runtime.driver.journal.commits,
        }

    def _pair_status(self, pair: PairReplica) -> dict[str, Any]:
        state, absent = pair.state()
        replica, committee = pair.replica, pair.committee
        leader = committee.seats[committee.leader(replica.ballot.term)]
        return {
            "symbol": pair.symbol,
            "state": state,
            "absent": absent,
            "height": replica.fin,
            "tip": replica.tip.hex(),
            "time_ms": pair.certified.time_ms,
            "term": replica.ballot.term,
            "certified_term": None if replica.chain.fc is None else replica.chain.fc.term,
            "leader": leader.name,
            "committee": [seat.name for seat in committee.seats],
            "seat": pair.acks.seat,
            "voting": replica.voting,
            "observer_reason": replica.observer_reason,
            "takeovers": replica.takeovers,
            "votes_cast": replica.votes_cast,
            "pending_ops": len(pair.ops),
            "certified_ops": pair.ops_certified,
            "certified_commands": pair.commands_certified,
            "fills": pair.fills_certified,
            "open_orders": pair.certified.engine.book.open_count,
            "events_digest": pair.certified.events_digest.hex(),
        }

    def _rejected(self) -> dict[str, int]:
        runtime = self._runtime
        reasons = dict(runtime.rejected)
        sources = [runtime.peer.rejected]
        for pair in runtime.peer.pairs.values():
            sources += [pair.counts, pair.replica.faults, pair.replica.rejected]
        for source in sources:
            for reason, count in source.items():
                reasons[reason] = reasons.get(reason, 0) + count
        for reason, count in runtime.driver.counts.items():
            word = reason.removeprefix("links ended: ")
            if word in ABUSE:
                reasons[word] = reasons.get(word, 0) + count
        if runtime.dht is not None:
            reasons |= {f"dht: {name}": count for name, count in runtime.dht.stats.items() if _is_refusal(name)}
        return {reason: count for reason, count in sorted(reasons.items()) if count}

    def peers(self) -> list[dict[str, Any]]:
        """The live links."""
        rows = []
        for link in self._runtime.driver.links.values():
            messages, size = link.queued()
            rows.append(
                {
                    "name": self._name(link.hello.public_key),
                    "peer_id": link.hello.peer_id.hex(),
                    "role": link.hello.role,
                    "address": link.channel.remote,
                    "outbound": link.outbound,
                    "queued_messages": messages,
                    "queued_bytes": size,
                    **{key.replace(" ", "_"): count for key, count in sorted(link.counts.items())},
                }
            )
        return rows

    def book(self, symbol: str, levels: str = "10") -> dict[str, Any]:
        """A pair's book as a client sees it: certified and pending apart."""
        pair = self._pair(symbol)
        view = asdict(pair.view(min(max(int(levels), 1), BOOK_LEVELS_CAP)))
        state, absent = pair.state()
        spec = self._runtime.manifest.pair(symbol)
        return view | {"state": state, "absent": absent, "tick_size": spec.tick_size, "lot_size": spec.lot_size}

    def order(self, symbol: str, author: str, client_id: str) -> dict[str, Any]:
        """What became of one order."""
        pair = self._pair(symbol)
        found = pair.orders.find(_key(author), int(client_id))
        if found is None:
            raise BadQuery(f"no order {client_id} of {author[:10]} in {symbol} among the latest")
        row = asdict(found)
        row["side"] = "" if not found.side else Side(found.side).name.lower()
        return row | {"symbol": symbol, "author": author, "client_id": int(client_id), "height": pair.replica.fin}

    def head(self, symbol: str, author: str) -> dict[str, Any]:
        """Where an author's chain of ops is: certified, and with what is pending here."""
        pair, key = self._pair(symbol), _key(author)
        state = pair.certified.author(key)
        pending = pair.ops.pending(key)
        seq, head = (pending[-1].seq + 1, pending[-1].id) if pending else (state.next_seq, state.head)
        last_id = pair.certified.engine.book.last_ids.get(key, 0)
        for op in pending:
            last_id = max([last_id, *(getattr(c, "client_id", 0) for c in op.commands)])
        return {"seq": seq, "head": head.hex(), "last_client_id": last_id, "frozen": state.frozen}

    # -- feeds --------------------------------------------------------------------------------------

    def _on_event(self, event: object) -> None:
        if not isinstance(event, Finalized) or not self._watchers.get(event.pair):
            return
        block, events = event.block, event.events
        starts = range(0, max(len(events), 1), EVENTS_PER_MESSAGE)
        for start in starts:
            part = events[start : start + EVENTS_PER_MESSAGE]
            last = start == starts[-1]
            raw = encode_message(PairEvents(event.pair, block.height, block.id, block.time_ms, part, last))
            for link_id in self._watchers[event.pair]:
                if (link := self._runtime.driver.links.get(link_id)) is not None:
                    link.offer(raw, Lane.OPS)

    def _forget(self, link_id: LinkId) -> None:
        for watchers in self._watchers.values():
            watchers.pop(link_id, None)

    # -- parts --------------------------------------------------------------------------------------

    def _pair(self, symbol: str) -> PairReplica:
        pair = self._runtime.peer.pairs.get(symbol)
        if pair is None:
            raise BadQuery(f"pair {symbol!r} is not followed here; followed: {sorted(self._runtime.peer.pairs)}")
        return pair

    def _name(self, public_key: bytes) -> str:
        for matcher in self._runtime.manifest.matchers:
            if matcher.public_key == public_key:
                return matcher.name
        return public_key.hex()[:10]


def _key(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != PUBLIC_KEY_BYTES:
        raise BadQuery("an author is a public key of 64 hex digits")
    return key


def _is_refusal(name: str) -> bool:
    words = (
        "garbage",
        "refused",
        "malformed",
        "foreign",
        "datagram",
        "bad",
        "forged",
        "unproved",
        "withheld",
        "skipped",
    )
    return any(word in name for word in words)

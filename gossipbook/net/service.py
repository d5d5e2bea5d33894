"""Answers to clients that only read: status, peers, books, orders, heads, receipts. ``feeds`` has subscriptions.

Nearly everything is answered from the peer core's memory, in one turn, as JSON; what reads the disk, by a task.
"""

import base64
import inspect
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from functools import lru_cache, partial
from typing import Any

from gossipbook.accounts.asking import Unanswerable
from gossipbook.accounts.order_state import OrderState
from gossipbook.client_messages import Answer, AskAuthor, AskBlock, Query, Unfollow, Watch, WatchProven
from gossipbook.effects import Lane, LinkId
from gossipbook.errors import GossipbookError
from gossipbook.ids import PublicKey, read_public_key
from gossipbook.matching.commands import Side
from gossipbook.net import account_questions
from gossipbook.net.book_rows import book_row
from gossipbook.net.clock import system_now
from gossipbook.net.clock_offset import clock_trouble, time_trouble
from gossipbook.net.driver import ReadingMessage
from gossipbook.net.explaining import explain_order
from gossipbook.net.feeds import Feeds
from gossipbook.net.link import Link
from gossipbook.net.proofs import Proofs
from gossipbook.net.runtime import Runtime
from gossipbook.ordered import BoundedDict
from gossipbook.peer.author_word import author_word
from gossipbook.peer.pair_replica import PairReplica
from gossipbook.peer.pair_summary import find_order, read_standing
from gossipbook.wire.codec import JSON_CAP, encode_message

BOOK_LEVELS_CAP = 500
SLOW_ANSWERS_CAP = 16
RECEIPTS_CAP = 8  # made and not fetched whole yet
RECEIPT_PART_BYTES = 64 * 1024
SERVED_RECEIPT_BYTES_CAP = 4 * 2**20
NUMBER_CAP = 2**63 - 1
SLOW_ARGUMENTS = {"prepared": 1, "receipt": 4, "explain": 3, "order": 3, **account_questions.ARGUMENTS}

_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


class BadQuery(GossipbookError):
    """A query that cannot be answered; the text goes back to the client."""


class Busy(BadQuery):
    """A query that may be asked again in a while."""

    def __init__(self) -> None:
        super().__init__("too many questions about the past at one time; ask again")


_signature = lru_cache(maxsize=64)(inspect.signature)  # to work it out costs more than most answers


class Service:
    """The reading door of one running peer."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.feeds = Feeds(runtime)
        self.proofs = Proofs(runtime)
        runtime.driver.on_request = self.answer
        self._slow_answers = 0
        self._receipts: BoundedDict[tuple[LinkId, tuple[str, ...]], bytes] = BoundedDict(RECEIPTS_CAP)
        self._slow_questions: dict[str, Callable[..., Awaitable[Any]]] = {
            "receipt": self._receipt_part,
            "explain": self._explain,
            "order": self._past_order,
            "prepared": self._watch_prepared,
            **{what: partial(self._about_accounts, what) for what in account_questions.ARGUMENTS},
        }
        self._questions: dict[str, Callable[..., Any]] = {
            "status": self.status,
            "peers": self.peers,
            "book": self.book,
            "head": self.head,
            "members": self.members,
            "pair": self.pair,
            "manifest": lambda: runtime.manifest.to_dict(),
        }

    def answer(self, link: Link, message: ReadingMessage) -> None:
        """Answer a client on its link."""
        if isinstance(message, AskAuthor | AskBlock | WatchProven):
            self.proofs.answer(link, message)
            return
        if isinstance(message, Watch):
            self.feeds.watch(message.pair, link.id)
            return
        if isinstance(message, Unfollow):
            self.feeds.unfollow(message.pair, link.id)
            return
        slow = self._slow_questions.get(message.what)
        if slow is None or len(message.arguments) != SLOW_ARGUMENTS[message.what]:
            self._reply(link, message, self._answer_now)
        elif message.what == "order" and self._is_recent(*message.arguments):
            self._reply(link, message, lambda asked: self.order(*asked.arguments))
        elif self._slow_answers >= SLOW_ANSWERS_CAP:
            self._reply(link, message, partial(_outcome, Busy()))
        else:
            self._slow_answers += 1
            self._runtime.driver.start_soon(self._answer_slowly, link, message, slow)

    async def _answer_slowly(self, link: Link, message: Query, question: Callable[..., Awaitable[Any]]) -> None:
        try:
            try:
                outcome: Any = await question(link.id, message.arguments)
            except Exception as error:  # noqa: BLE001 - told, or counted and logged, by whoever replies
                outcome = error
            self._reply(link, message, partial(_outcome, outcome))
        finally:
            self._slow_answers -= 1

    def _answer_now(self, message: Query) -> Any:
        question = self._questions.get(message.what)
        if message.what in self._slow_questions:
            raise BadQuery(f"{message.what!r} takes {SLOW_ARGUMENTS[message.what]} arguments")
        if question is None:
            known = sorted([*self._questions, *self._slow_questions])
            raise BadQuery(f"unknown query {message.what!r}; known: {known}")
        try:
            _signature(question).bind(*message.arguments)
        except TypeError as error:
            raise BadQuery(f"wrong arguments for {message.what!r}: {error}") from None
        return question(*message.arguments)

    def _reply(self, link: Link, message: Query, answer: Callable[[Query], Any]) -> None:
        try:
            good, body = True, json.dumps(answer(message)).encode()
            if len(body) > JSON_CAP:
                raise BadQuery("the answer is too large; ask for less")
        except GossipbookError as error:
            busy = {"busy": True} if isinstance(error, Busy) else {}
            good, body = False, json.dumps({"error": str(error), **busy}).encode()
        except Exception as error:  # noqa: BLE001 - counted and logged; a question must not end more than itself
            self._runtime.driver.guard.failed("a question", error)
            good, body = False, json.dumps({"error": "the question met a fault of this peer, which noted it"}).encode()
        link.offer(encode_message(Answer(message.number, good, body)), Lane.SYNC)

    async def _watch_prepared(self, link_id: LinkId, arguments: tuple[str, ...]) -> dict[str, Any]:
        pair = self._pair(*arguments)
        self.proofs.watch_prepared(pair.symbol, link_id)
        return {"voting": pair.replica.voting}  # Who does not vote has nothing to tell.

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
            "wall_ms": system_now().wall_ms,
            "links": len(runtime.driver.links),
            "failed_dials": runtime.failed_dials,
            "pairs": [self._pair_status(pair) for pair in runtime.peer.pairs.values()],
            "rejected": dict(self._runtime.rejected),
            "counts": dict(sorted(runtime.driver.counts.items())),
            "journal_commits": runtime.driver.journal.commits,
            "archive_trouble": runtime.archivist.trouble,
            "clock_offset_ms": runtime.clock_offset_ms,
            "clock_trouble": clock_trouble(runtime.clock_offset_ms, runtime.manifest.timing),
        }

    def _pair_status(self, pair: PairReplica) -> dict[str, Any]:
        state, absent = pair.state()
        summary = read_standing(pair)
        replica, committee = pair.replica, pair.committee
        leader = committee.seats[committee.leader(replica.member.ballot.term)]
        return {
            "symbol": pair.symbol,
            "state": state,
            "trading": summary.trading,
            "absent": absent,
            "height": replica.fin,
            "tip": replica.tip.hex(),
            "time_ms": pair.certified.time_ms,
            "term": replica.member.ballot.term,
            "certified_term": None if replica.member.chain.fc is None else replica.member.chain.fc.term,
            "leader": leader.name,
            "committee": [seat.name for seat in committee.seats],
            "seat": pair.seat,
            "voting": replica.voting,
            "observer_reason": replica.member.observer_reason,
            "takeovers": replica.member.takeovers,
            "votes_cast": replica.member.votes_cast,
            "pending_ops": len(pair.ops),
            "certified_ops": pair.ops_certified,
            "certified_commands": pair.commands_certified,
            "fills": pair.fills_certified,
            "open_orders": summary.open_orders,
            "events_digest": pair.certified.events_digest.hex(),
            "time_trouble": time_trouble(pair, self._runtime.manifest.timing),
        }

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
        view = book_row(pair.view(min(max(_number(levels, "levels"), 1), BOOK_LEVELS_CAP)))
        state, absent = pair.state()
        spec = self._runtime.manifest.pair(symbol)
        sizes = {"tick_size": spec.tick_size, "lot_size": spec.lot_size}
        return view | sizes | {"state": state, "absent": absent, "trading": read_standing(pair).trading}

    def pair(self, symbol: str, author: str = "") -> dict[str, Any]:
        """What a pair takes, its last prices, and an author's lease, group and orders there."""
        pair = self._pair(symbol)
        state, absent = pair.state()
        found = read_standing(pair, _key(author) if author else None)
        row = asdict(found)
        if found.own is not None:
            own = found.own
            row["own"] |= {"owner": own.owner.hex(), "wants": own.wants.hex()}
            row["own"] |= {name: [key.hex() for key in getattr(own, name)] for name in ("members", "admitted")}
        return row | {"symbol": symbol, "state": state, "absent": absent, "author": author or None}

    def order(self, symbol: str, author: str, client_id: str) -> dict[str, Any]:
        """What became of one order."""
        pair, key, number = self._which_order(symbol, author, client_id)
        return _order_row(pair, author, number, find_order(pair, key, number))

    def _which_order(self, symbol: str, author: str, client_id: str) -> tuple[PairReplica, PublicKey, int]:
        return self._pair(symbol), _key(author), _number(client_id, "client id")

    def _is_recent(self, symbol: str, author: str, client_id: str) -> bool:
        """Whether a question about an order can be answered from memory: one above its author's last is none."""
        try:
            pair, key, number = self._which_order(symbol, author, client_id)
        except BadQuery:
            return False
        if find_order(pair, key, number) is not None:
            return True
        return number > pair.replica.last_order_id(key)

    async def _past_order(self, _link_id: LinkId, arguments: tuple[str, ...]) -> dict[str, Any]:
        """What became of an order long ago, out of the archive."""
        symbol, author, _ = arguments
        pair, key, number = self._which_order(*arguments)
        found = await self._runtime.archivist.ask(lambda past: past.accounts.order(symbol, key, number))
        return _order_row(pair, author, number, found)

    async def _about_accounts(self, what: str, _link_id: LinkId, arguments: tuple[str, ...]) -> dict[str, Any]:
        return await self.account(what, *arguments)

    async def account(self, what: str, *arguments: str) -> dict[str, Any]:
        """What is asked of an author's account, or of a pair's trades: see :mod:`.account_questions`.

        Raises:
            GossipbookError: it cannot be answered; says why.
        """
        try:
            return await account_questions.answer(self._runtime, what, arguments)
        except Unanswerable as error:
            raise BadQuery(str(error)) from None

    def head(self, symbol: str, author: str) -> dict[str, Any]:
        """Where an author's chain of ops is: certified, and with what is pending here."""
        pair, key = self._pair(symbol), _key(author)
        word = author_word(pair, key, 0)
        state = pair.certified.author(key)
        pending = pair.ops.pending(key)
        seq, head = (pending[-1].seq + 1, pending[-1].id) if pending else (state.next_seq, state.head)
        return {"seq": seq, "head": head.hex(), "last_client_id": word.last_client_id, "frozen": state.frozen}

    def members(self, symbol: str) -> dict[str, Any]:
        """Who certifies a pair, who leads it now, and where this peer believes that they can be dialled."""
        pair = self._pair(symbol)
        committee = pair.committee
        rows = [
            {
                "name": seat.name,
                "public_key": seat.public_key.hex(),
                "addresses": self._runtime.addresses_of(seat.peer_id),
            }
            for seat in committee.seats
        ]
        return {"members": rows, "leader": committee.leader(pair.replica.member.ballot.term)}

    async def receipt(self, symbol: str, author: PublicKey, client_id: int) -> bytes:
        """The receipt of an order, verified.

        Raises:
            GossipbookError: there is nothing to prove, or the archive is of no use; says which.
        """
        self._pair(symbol)
        return await self._runtime.archivist.receipt(symbol, author, client_id)

    async def _receipt_part(self, link_id: LinkId, arguments: tuple[str, ...]) -> dict[str, Any]:
        """A receipt a part at a time: made when its first part is asked for, and kept for the others."""
        symbol, author, client_id, offset = arguments
        start, order = _number(offset, "offset"), (link_id, arguments[:3])
        if start == 0:
            raw = await self.receipt(symbol, _key(author), _number(client_id, "client id"))
            if len(raw) > SERVED_RECEIPT_BYTES_CAP:
                raise BadQuery(
                    f"the receipt has {len(raw):,} bytes, more than peers send; make it from the peer's folder"
                )
            self._receipts[order] = raw
        kept = self._receipts.get(order)
        if kept is None:
            raise BadQuery("that receipt is not kept any more; ask for its first part again")
        part = kept[start : start + RECEIPT_PART_BYTES]
        return {"bytes": len(kept), "part": base64.b64encode(part).decode()}

    async def explain(self, symbol: str, author: PublicKey, client_id: int) -> dict[str, Any]:
        """All that this peer knows of one order: how its op came, each event with its block, why it waits.

        Raises:
            GossipbookError: it knows nothing of it, or the archive is of no use; says which.
        """
        return await explain_order(self._runtime, self._pair(symbol), author, client_id)

    async def _explain(self, _link_id: LinkId, arguments: tuple[str, ...]) -> dict[str, Any]:
        symbol, author, client_id = arguments
        return await self.explain(symbol, _key(author), _number(client_id, "client id"))

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


def _order_row(pair: PairReplica, author: str, client_id: int, found: OrderState | None) -> dict[str, Any]:
    if found is None:
        raise BadQuery(f"no order {client_id} of {author[:10]} in {pair.symbol} is known here")
    row = {field.name: getattr(found, field.name) for field in fields(OrderState)}
    row["side"] = "" if not found.side else Side(found.side).name.lower()
    return row | {"symbol": pair.symbol, "author": author, "client_id": client_id, "height": pair.replica.fin}


def _outcome(outcome: Any, _: Query) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _key(text: str) -> bytes:
    key = read_public_key(text)
    if key is None:
        raise BadQuery("an author is a public key of 64 hex digits")
    return key


def _number(text: str, name: str) -> int:
    """A number as client ids, offsets and counts are: of ASCII digits, and below 2^63."""
    if not _DIGITS.fullmatch(text) or int(text) > NUMBER_CAP:
        raise BadQuery(f"{name}: {text[:32]!r} is not a whole number from 0 to {NUMBER_CAP}")
    return int(text)

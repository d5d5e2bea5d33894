"""An author's wallet: the key, its file, and the author core that signs with it, driven on trio.

Signing is one step that no cancellation parts: once an op is signed it is made durable, and once it is durable it is
handed to whoever is linked, whether or not anybody still waits for it. What was signed by a program that died is sent
by the next one that opens the wallet.
"""

import math
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from gossipbook.client_messages import Submit
from gossipbook.crdt.op import Op
from gossipbook.effects import Effect, Emit, Persist, Send
from gossipbook.errors import KeyFileError, WalletError
from gossipbook.identity import Identity
from gossipbook.ids import ChainId
from gossipbook.loops import require_trio
from gossipbook.matching.commands import Command
from gossipbook.net.clock import system_now
from gossipbook.storage.keys import OPS_SUFFIX, load_key
from gossipbook.trade.author import AuthorCore
from gossipbook.trade.author_driver import CLOSED, ELSEWHERE, ENDED
from gossipbook.trade.author_events import (
    AuthorConfig,
    ChainRecord,
    FollowBlocks,
    Hold,
    MakeCommands,
    MayChange,
    OpRecord,
    Reloaded,
    Signed,
    Withheld,
)
from gossipbook.trade.numbers import seconds
from gossipbook.trade.outcome import NotSigned
from gossipbook.trade.sign_request import BUSY, LOOP_BUSY_S, SignRequest
from gossipbook.trade.submission import Submission
from gossipbook.trade.wallet_file import BUSY_S, WalletFile
from gossipbook.trade.wallet_questions import WalletQuestions

SIGN_S = 10.0
"""How long a caller waits for room, and for peers to say what the key signed before, unless told otherwise."""
REQUESTS_CAP = 4_096
"""Callers that wait for room at one time."""
MARK_S = 0.2
"""How long it may take until the file knows what is certified; a program that dies before asks the network again."""

T = TypeVar("T")


class Wallet(WalletQuestions):
    """One author in one network.

    With ``path`` None it is kept in memory: for authors whose key is thrown away with the program. A file that is not
    there is made; use :meth:`open` for a key that may have signed before. All but :meth:`submit` may be called from any
    thread.
    """

    def __init__(
        self,
        identity: Identity,
        chain_id: ChainId,
        path: Path | None = None,
        *,
        config: AuthorConfig | None = None,
        fresh: bool = True,
    ) -> None:
        self._path = path
        file = WalletFile(path, chain_id, fresh=fresh)
        super().__init__(AuthorCore(identity, chain_id, file.load, config=config), chain_id, identity, file)
        self._requests: dict[int, SignRequest] = {}
        self._number = 0
        self._fresh_requests = False
        self._pending: list[Effect] = []  # effects behind an op that is not durable yet
        self._writing = False
        self._marks: dict[str, ChainRecord] = {}
        self._mark_due_s = math.inf

    @classmethod
    def open(cls, key_file: Path | str, chain_id: ChainId, *, accept_fewer: bool = False) -> "Wallet":
        """Open the wallet of a key file; its ops are kept beside it, in ``<key file>.ops``.

        ``accept_fewer``: if that file was lost, sign though fewer committee members than a quorum say what the key
        signed before. If an op was known to the others alone, that freezes the key.

        Raises:
            KeyFileError: the key, or its file of ops, cannot be used; says why.
        """
        key_file = Path(os.path.realpath(key_file))  # One key has one wallet, by whatever name it is opened.
        identity = load_key(key_file)
        config = AuthorConfig(accept_fewer=accept_fewer)
        try:
            return cls(identity, chain_id, key_file.with_name(key_file.name + OPS_SUFFIX), config=config, fresh=False)
        except (sqlite3.Error, OSError) as error:
            raise KeyFileError(f"cannot use the wallet beside {key_file}: {error}") from None

    # -- signing ------------------------------------------------------------------------------------

    def sign(self, pair: str, commands: Sequence[Command], expiry_ms: int = 0) -> Op:
        """Sign the next op of a pair and make it durable; it is sent as soon as the wallet is used with a peer.

        Nobody is asked what the key signed elsewhere: :meth:`submit` is what programs want that have a peer.

        Raises:
            WalletError: the file was lost, or cannot be written, or is closed. Nothing was signed.
        """
        return self._in_loop(lambda: self._sign(pair, commands, expiry_ms))

    def _sign(self, pair: str, commands: Sequence[Command], expiry_ms: int) -> Op:
        if self._closed:
            raise WalletError(CLOSED)
        if self._writing:
            raise WalletError("the wallet is signing for somebody else: use submit(); nothing was signed")
        try:
            self._begin()
            chain = self.core.chain(pair)
            if not chain.known:
                raise WalletError(
                    f"the wallet beside this key holds no ops of {pair}: use it with a peer, which asks first"
                )
            expiry_ms = self.core.expiry_ms(pair, expiry_ms, system_now())
            commands = self._texts.require_unused(pair, commands)
            op = chain.sign(self.identity, self.chain_id, pair, commands, expiry_ms, self.core.limits)
            self._file.write([op], ())
        except sqlite3.Error as error:
            self._file.abandon()
            self._forget_unrecorded()
            raise WalletError(f"cannot record the next op of {pair}: {error}; nothing was sent") from None
        finally:
            self._file.abandon()
        if self.core.joined:
            self.handle(FollowBlocks(op))
        return op

    async def submit(
        self, pair: str, make: MakeCommands, expiry_ms: int = 0, *, within_s: float = SIGN_S
    ) -> Submission:
        """Sign an op of the commands that ``make`` gives, make it durable, and hand it to the peers that are linked.

        Waits at most ``within_s`` seconds: for room if too much is uncertified, and at first for peers to prove what
        the key signed before. Once it is signed, nothing stops it any more, a cancellation neither.

        Raises:
            NotSigned: not in time, or the key must not sign; the reason is a word of :class:`Hold`. Nothing was signed.
            TextIdUsed: an order under the text id of one of them exists. Nothing was signed.
            WalletError: the file cannot be written. Nothing was signed.
            WrongLoop: trio does not run here.
        """
        require_trio("Wallet.submit")
        if self._closed:
            raise WalletError(CLOSED)
        if self._is_driven_elsewhere():
            raise WalletError(ELSEWHERE)
        within_s = seconds("within_s", within_s)
        if len(self._requests) >= REQUESTS_CAP:
            raise NotSigned(Hold.IN_FLIGHT.value, f"{REQUESTS_CAP} callers wait for room already; nothing was signed")
        self._number += 1
        new = partial(self._make_new, pair, make)
        request = self._requests[self._number] = SignRequest(self._number, pair, new, expiry_ms)
        self._fresh_requests = True
        self._stir()
        try:
            await self._answered(request, within_s)
        finally:
            self._requests.pop(request.event.request, None)
        if request.error is not None:
            raise request.error
        if request.submission is None:
            hold, text = (Hold.BUSY, BUSY) if self._offers else (Hold.NO_ANSWER, "no peer is linked")
            hold, text = request.hold or hold, request.hold_text or text
            raise NotSigned(hold.value, f"{text}; nothing was signed within {within_s:g} s")
        return request.submission

    def _make_new(self, pair: str, make: MakeCommands, client_id: int) -> Sequence[Command]:
        return self._texts.require_unused(pair, make(client_id))

    async def _answered(self, request: SignRequest, within_s: float) -> None:
        """Wait for what becomes of a request; one that is signed is never left, and cancels its caller later."""
        try:
            with trio.move_on_after(within_s):
                await request.done.wait()
        except trio.Cancelled:
            if not request.taken:
                raise
        if request.taken:  # How it ends is known as soon as the disk has answered.
            with trio.CancelScope(shield=True):
                await request.done.wait()

    # -- driving ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file. What is signed and not certified stays in it.

        An op that is on its way to the disk still gets there, and its caller is told.
        """
        self._in_loop(self._close)

    def _close(self) -> None:
        if not self._closed:
            super().close()
            for request in self._requests.values():
                if not request.taken:
                    request.fail(WalletError(CLOSED))
            if not self._writing:
                self._file.close()

    async def _work(self) -> bool:
        if not (self._fresh_requests or self._pending or trio.current_time() >= self._mark_due_s):
            return False
        self._fresh_requests = False
        await self._write()
        return True

    def _patience_s(self) -> float:
        return min(super()._patience_s(), max(self._mark_due_s - trio.current_time(), 0.0))

    async def _write(self) -> None:
        """Sign for whoever waits, record all of it in one transaction, and let it out."""
        self._writing = True
        pending: list[Effect] = []
        try:
            if await self._off_loop(self._file.begin):
                self._reload_all()
            for request in list(self._requests.values()):
                if not request.done.is_set():
                    self.handle(request.event)
            pending, self._pending = self._pending, []
            self._take_requests(pending)
            records = (effect.record for effect in pending if isinstance(effect, Persist))
            ops = [record.op for record in records if isinstance(record, OpRecord)]
            marks = dict(self._marks)
            self._mark_due_s = math.inf
            await self._off_loop(partial(self._file.write, ops, marks.values()))
        except sqlite3.Error as error:
            self._fail(pending, error)
        except BaseException:
            self._fail(pending, WalletError("the program ended"))
            self._fresh_requests = True  # Another client may go on driving.
            raise
        else:
            self._writing = False
            self._texts.settle(self._pending)
            self._marks = {pair: mark for pair, mark in self._marks.items() if mark is not marks.get(pair)}
            self._perform_all(pending)
        finally:
            self._writing = False
            self._file.abandon()
            if self._closed:
                self._file.close()

    def _take_requests(self, pending: list[Effect]) -> None:
        for effect in pending:
            if isinstance(effect, Emit) and isinstance(effect.event, Signed):
                request = self._requests.get(effect.event.request)
                if request is not None:
                    request.taken = True

    async def _off_loop(self, work: Callable[[], T]) -> T:
        """Do what may wait for a disk on a thread."""
        if self._path is None:
            await trio.lowlevel.checkpoint()
            return work()
        return await trio.to_thread.run_sync(work)

    def _fail(self, pending: list[Effect], error: Exception) -> None:
        """What was signed in this turn was never recorded: it is forgotten, and whoever wanted it is told."""
        self._writing = False
        self._file.abandon()
        waiting, self._pending = self._pending, []
        # Marks that were made meanwhile count what is forgotten now; what is certified is so all the same.
        self._marks = {pair: mark.certified_only() for pair, mark in self._marks.items()}
        whole = self._forget_unrecorded()
        self._pending += waiting
        for request in self._requests.values():
            if request.taken or (not pending and isinstance(error, sqlite3.Error)):
                pair = request.event.pair
                request.fail(WalletError(f"cannot record the next op of {pair}: {error}; nothing was sent"))
        kept = [effect for effect in (*pending, *self._pending) if whole and not self._is_lost(effect)]
        self._pending = []
        self._texts.settle(())
        self._take(kept)

    def _forget_unrecorded(self) -> bool:
        """Go back to what the file holds. If it cannot be read either, nothing is signed or sent any more."""
        try:
            self._reload_all()
        except sqlite3.Error:
            self._close()
            return False
        return True

    def _is_lost(self, effect: Effect) -> bool:
        """Whether an effect belongs to an op that could not be recorded."""
        if isinstance(effect, Persist) and isinstance(effect.record, OpRecord):
            return True
        if isinstance(effect, Emit) and isinstance(effect.event, Signed):
            return True
        if isinstance(effect, Send) and isinstance(effect.message, Submit):
            op = effect.message.op
            return op.id not in self.core.chain(op.pair).by_id
        return False

    def _begin(self) -> None:
        """Keep other programs from signing, and take up what they signed. An event loop is not held up by them."""
        if self._file.begin(BUSY_S if self._loop is None else LOOP_BUSY_S):
            self._reload_all()

    def _reload_all(self) -> None:
        for pair in self.core.loaded():
            self._reload(pair)

    def _reload(self, pair: str) -> None:
        self.handle(Reloaded(pair, self._file.load(pair)))

    def _finish(self) -> None:
        """Write down what is certified, if there is still a chance to."""
        marks, self._marks = list(self._marks.values()), {}
        self._mark_due_s = math.inf
        if marks and not self._closed and not self._writing:
            with suppress(sqlite3.Error):
                self._begin()
                self._file.write((), marks)

    # -- effects ------------------------------------------------------------------------------------

    def _take(self, effects: Sequence[Effect]) -> None:
        """Keep what must wait for an op to be durable; perform the rest."""
        for effect in effects:
            if isinstance(effect, Persist) and isinstance(effect.record, ChainRecord):
                self._marks[effect.record.pair] = effect.record
                self._mark_due_s = min(self._mark_due_s, trio.current_time() + MARK_S)
                self._stir()
            elif isinstance(effect, Persist) or self._pending or self._writing:
                self._texts.note([effect])
                self._pending.append(effect)
                self._stir()
            else:
                self._perform(effect)

    def _perform_all(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Persist):
                self._perform(effect)

    def _on_emitted(self, event: object) -> None:
        match event:
            case Signed(number, op):
                request = self._requests.get(number)
                if request is not None:
                    request.submission = self._submission(op)
                    if self._closed:
                        request.submission.close(ENDED)
                    self._submissions.setdefault(op.id, []).append(request.submission)
                    request.done.set()
            case Withheld():
                request = self._requests.get(event.request)
                if request is not None:
                    request.withhold(event)
            case MayChange():
                if self._requests:
                    self._fresh_requests = True
                    self._stir()
            case _:
                super()._on_emitted(event)

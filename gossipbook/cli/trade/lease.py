"""``gossipbook order lease``: a dead man's switch, set, ended, or kept from running out."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import trio

from gossipbook.cli.connect import Target, run, signing_options
from gossipbook.cli.interrupts import interrupted
from gossipbook.cli.options import LEVELS, duration, op_expires_option, timeout_option, wait_option
from gossipbook.cli.output import json_option, print_json, say
from gossipbook.cli.trade.outcome import Effect, report
from gossipbook.cli.trade.submitting import OpReport, Sent, send, submit_each
from gossipbook.client_messages import AckLevel
from gossipbook.errors import NoAnswer
from gossipbook.manifest import Pair
from gossipbook.matching.commands import LEASE_CAP_MS, Command, Lease
from gossipbook.matching.events import Leased
from gossipbook.trade.units import format_duration

RENEWALS = 3
"""In a lease's duration: two may fail before it ends."""

KEPT_LEAST_MS = 3_000
"""Block time may be two seconds off a clock; a kept lease has to outlast that."""


def lease_or_off(value: str | int) -> int:
    """A lease's duration in milliseconds, or 0 for ``off``."""
    for_ms = 0 if value in ("off", 0) else duration(value)
    if for_ms > LEASE_CAP_MS:
        raise click.BadParameter(f"a lease is for at most {format_duration(LEASE_CAP_MS)}")
    return for_ms


@click.command()
@click.argument("pair", metavar="PAIR")
@click.argument("for_ms", metavar="DURATION|off", type=lease_or_off)
@signing_options
@click.option("--keep", is_flag=True, help="Renew it at every third of DURATION, until interrupted.")
@op_expires_option
@wait_option
@timeout_option
@json_option
def lease(
    pair: str,
    for_ms: int,
    key: Path,
    target: Target,
    keep: bool,
    op_expires_s: int | None,
    wait: str,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Set a dead man's switch, which cancels all orders.

    Unless this is done again within DURATION, such as 30s, all orders of the key in PAIR are cancelled; `off` ends the
    switch and keeps the orders. The time is block time. When it is over, a block is made for that alone: nobody else
    need trade.
    """
    spec = target.manifest.pair(pair)
    if not keep:
        expiry_ms = 0 if op_expires_s is None else time.time_ns() // 1_000_000 + op_expires_s * 1_000
        outcome = send(target, key, pair, lambda _: [Lease(for_ms)], expiry_ms, wait, timeout_s)
        what = f"lease in {pair} for {format_duration(for_ms)}" if for_ms else f"no lease in {pair}"
        report(outcome, spec, what, wait, as_json, read_lease)
        return
    if for_ms < KEPT_LEAST_MS:
        raise click.UsageError(f"--keep needs a DURATION of at least {format_duration(KEPT_LEAST_MS)}")
    if op_expires_s is not None or wait != "certified":
        raise click.UsageError("--keep follows each renewal to certified; leave --wait and --op-expires out")
    run(Keeper(target, key, pair, for_ms, timeout_s, as_json).keep)


def read_lease(outcome: OpReport, _spec: Pair) -> Effect:
    """Until when the lease holds."""
    until_ms = _until_ms(outcome)
    if not until_ms:
        return Effect("no lease: orders stay until they are cancelled", {"lease_until_ms": until_ms})
    return Effect(f"lease until {clock(until_ms)}, block time", {"lease_until_ms": until_ms})


def clock(time_ms: int) -> str:
    """A Unix time in ms on this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ms / 1000))


def _until_ms(outcome: OpReport) -> int | None:
    """What the op's block made of the lease; None if that was not seen."""
    ends = [event.until_ms for event in outcome.events or () if isinstance(event, Leased)]
    return ends[-1] if ends else None


@dataclass(slots=True)
class Keeper:
    """Renews a lease until it is interrupted."""

    target: Target
    key: Path
    pair: str
    for_ms: int
    timeout_s: float
    as_json: bool
    until_ms: int = 0
    renewals: int = 0
    _owing: bool = False  # a renewal is out that nobody certified yet: it is sent again before another is signed

    async def keep(self) -> None:
        """Renew, rest a third of the duration, and again; the first time has to succeed."""
        pause_s = self.for_ms / 1_000 / RENEWALS
        async with interrupted() as stopped:
            while not stopped.is_set():
                trouble = await self._renew(min(self.timeout_s, pause_s) if self.renewals else self.timeout_s)
                if trouble == "interrupted":
                    break
                if trouble:
                    say(f"gossipbook: not renewed: {trouble}. {self._what_next()}", err=True)
                with trio.move_on_after(pause_s):
                    await stopped.wait()
        self._tell({"stopped": True}, f"stopped renewing. {self._what_next()}")

    async def _renew(self, timeout_s: float) -> str:
        """One renewal; what went wrong with it, or ""."""
        try:
            sent = await self._submit(timeout_s)
        except NoAnswer as error:
            if not self.renewals:
                raise
            self.target = self.target.refreshed()
            return str(error)
        for failure in sent.failed.values():
            raise failure
        outcome = sent.reports.get(self.pair)
        if outcome is None:  # What was owed has been certified meanwhile.
            self._owing = False
            return await self._renew(timeout_s)
        self._owing = outcome.level is not AckLevel.CERTIFIED
        refusal = outcome.refusal(0) or outcome.trouble
        if self._owing or refusal:
            return refusal
        self.renewals += 1
        self.until_ms = _until_ms(outcome) or self.until_ms
        self._tell({"height": outcome.height}, f"lease in {self.pair} until {clock(self.until_ms)}")
        return ""

    async def _submit(self, timeout_s: float) -> Sent:
        # A renewal that comes too late must not stretch the lease of somebody who may be gone by then.
        expiry_ms = time.time_ns() // 1_000_000 + self.for_ms if self.renewals else 0
        level = LEVELS["certified"]
        return await submit_each(self.target, self.key, [self.pair], self._renewal, expiry_ms, level, timeout_s)

    def _renewal(self, _last_id: int) -> list[Command]:
        """Nothing new to sign while the last one is on its way."""
        return [] if self._owing else [Lease(self.for_ms)]

    def _what_next(self) -> str:
        if not self.until_ms:
            return f"No lease is certified in {self.pair}; look with: gossipbook pair show {self.pair} --key {self.key}"
        return (
            f"Unless it is renewed, the lease ends at {clock(self.until_ms)}, and the first block after that cancels "
            f"all orders of this key in {self.pair}. To keep them: gossipbook order lease {self.pair} off "
            f"--key {self.key}"
        )

    def _tell(self, fields: dict[str, Any], words: str) -> None:
        if self.as_json:
            print_json({"pair": self.pair, "lease_until_ms": self.until_ms, "renewals": self.renewals} | fields)
        else:
            say(words)

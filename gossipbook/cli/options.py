"""Options and argument types that the trading commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gossipbook.client_messages import AckLevel
from gossipbook.errors import KeyFileError
from gossipbook.ids import PUBLIC_KEY_BYTES, PublicKey
from gossipbook.storage.keys import load_key
from gossipbook.trade.units import BadAmount, duration_to_ms

LEVELS = {
    "durable": AckLevel.DURABLE,
    "relayed": AckLevel.RELAYED,
    "prepared": AckLevel.PREPARED,
    "certified": AckLevel.CERTIFIED,
}

T = TypeVar("T")


class Seconds(click.FloatRange):
    """A number within bounds, which "nan" is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it, as click does."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def duration(value: str | int) -> int:
    """A duration such as ``30s``, in milliseconds."""
    try:
        return value if isinstance(value, int) else duration_to_ms(value)
    except BadAmount as error:
        raise click.BadParameter(str(error)) from None


def public_key(value: str | PublicKey) -> PublicKey:
    """An author: a public key in hex, or the key file to read it from."""
    if isinstance(value, bytes):
        return value
    try:
        key = bytes.fromhex(value)
    except ValueError:
        key = b""
    if len(key) == PUBLIC_KEY_BYTES:
        return key
    if not Path(value).exists():
        raise click.BadParameter(
            f"{value!r} is neither a public key of {2 * PUBLIC_KEY_BYTES} hex digits nor a key file"
        )
    try:
        return load_key(Path(value)).public_key
    except KeyFileError as error:
        raise click.BadParameter(str(error)) from None


key_option = click.option(
    "--key", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The author's key file."
)

wait_option = click.option(
    "--wait",
    type=click.Choice(list(LEVELS)),
    default="certified",
    show_default=True,
    help="What to wait for: synced here, held by enough others, prepared (not final), in a finalized block.",
)

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    default=10.0,
    show_default=True,
    help="How long to wait for that.",
)

op_expires_option = click.option(
    "--op-expires",
    "op_expires_s",
    type=click.IntRange(1, 10**9),
    metavar="SECONDS",
    help="Void places and increases if not certified by then.",
)


def waiting_options(command: Callable[..., T]) -> Callable[..., T]:
    """How long an op is good for, and how far to follow it."""
    for option in (timeout_option, wait_option, op_expires_option):
        command = option(command)
    return command

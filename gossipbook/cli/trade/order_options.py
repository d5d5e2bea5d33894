"""Options that name one order: PAIR, CLIENT_ID, and whose it is."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gossipbook.cbor import INT_CAP
from gossipbook.ids import PUBLIC_KEY_BYTES, PublicKey
from gossipbook.storage.keys import load_key

T = TypeVar("T")


def order_options(command: Callable[..., T]) -> Callable[..., T]:
    """The command gets ``pair``, ``client_id`` and ``author``, a public key."""

    @functools.wraps(command)
    def wrapped(*args: Any, key: Path | None, author: str | None, **kwargs: Any) -> T:
        return command(*args, author=author_of(key, author), **kwargs)

    for option in (
        click.option("--author", metavar="HEX", help="Or the author's public key."),
        click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="The author's key file."),
        click.argument("client_id", metavar="CLIENT_ID", type=click.IntRange(1, INT_CAP)),
        click.argument("pair", metavar="PAIR"),
    ):
        wrapped = option(wrapped)
    return wrapped


def author_of(key: Path | None, author: str | None) -> PublicKey:
    """The public key that the options --key or --author name."""
    if (key is None) == (author is None):
        raise click.UsageError("give either --key FILE or --author HEX")
    if key is not None:
        return load_key(key).public_key
    try:
        public_key = bytes.fromhex(str(author))
    except ValueError:
        public_key = b""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise click.UsageError(f"--author: a public key has {2 * PUBLIC_KEY_BYTES} hex digits")
    return public_key

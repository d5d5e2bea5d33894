"""``gossipbook gateway account``: who may trade at a gateway, and with which API keys."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gossipbook.cli.connect import home_option
from gossipbook.cli.lazy import CommandGroup
from gossipbook.cli.operate.gateway import folder_option, gateway_folder
from gossipbook.cli.output import json_option, print_json, print_table, reports_errors, say
from gossipbook.errors import ConfigError
from gossipbook.gateway.accounts import Account, AccountFile, ApiKey, Scope
from gossipbook.ids import PUBLIC_KEY_BYTES, PublicKey
from gossipbook.storage.keys import create_key, load_key


@click.group(cls=CommandGroup)
def account() -> None:
    """Make accounts and their API keys.

    An account is a wallet's key file that the gateway signs with. A running gateway heeds changes at once.
    """


def _file(home: Path | None, folder: Path | None) -> AccountFile:
    return AccountFile(gateway_folder(home, folder))


@account.command("add")
@click.argument("name")
@click.option("--key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A wallet's key file.")
@home_option
@folder_option
@json_option
@reports_errors
def add(name: str, key: Path | None, home: Path | None, folder: Path | None, as_json: bool) -> None:
    """Make an account.

    NAME is the account's. Without --key it gets a new wallet in the gateway's folder.
    """
    accounts = _file(home, folder)
    if key is None:
        key = gateway_folder(home, folder) / "keys" / f"{_file_name(name)}.key"
        create_key(key)
    identity = load_key(key)
    for other in accounts.accounts():
        if other.key_file.exists() and load_key(other.key_file).public_key == identity.public_key:
            raise ConfigError(f"{key} has the key of account {other.name!r}; two wallets of one key sign apart")
    made = accounts.add_account(name, key)
    if as_json:
        print_json(_account(made) | {"author": identity.public_key.hex()})
    else:
        say(f"account {name}: author {identity.public_key.hex()}, key file {made.key_file}")
        say(f"give it an API key with: gossipbook gateway account key {name} --scope trade")


def _file_name(name: str) -> str:
    if not all(each.isalnum() or each in "-_." for each in name) or name.startswith("."):
        raise ConfigError(f"account {name!r}: give a --key, or a name of letters, digits, '-', '_' and '.'")
    return name


@account.command("key")
@click.argument("name")
@click.option("--scope", type=click.Choice([scope.value for scope in Scope]), default="trade", show_default=True,
              help="What it may do.")  # fmt: skip
@click.option("--label", default="", help="A note to tell it by.")
@click.option(
    "--ed25519",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM file of a public key: requests are then signed with its private key.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write id.secret to a file that only you may read."
)
@home_option
@folder_option
@json_option
@reports_errors
def new_key(
    name: str,
    scope: str,
    label: str,
    ed25519: Path | None,
    output: Path | None,
    home: Path | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Make an API key.

    For the account NAME. Scope cancel may read and cancel, trade may do all. A secret is shown this once.
    """
    public_key = None if ed25519 is None else read_public_pem(ed25519)
    made = _file(home, folder).add_key(name, [Scope(scope)], label, public_key)
    secret = "" if made.secret is None else made.secret.decode()
    if output is not None and secret:
        write_token(output, f"{made.id}.{secret}\n")
        secret = ""
    if as_json:
        print_json(_key(made) | {"secret": secret or None})
        return
    say(f"key     {made.id}")
    if output is not None:
        say(f"token   in {output}")
    if secret:
        say(f"secret  {secret}")
        say(f"as one  {made.id}.{secret}")


@account.command("list")
@home_option
@folder_option
@json_option
@reports_errors
def show(home: Path | None, folder: Path | None, as_json: bool) -> None:
    """Show accounts and their API keys."""
    file = _file(home, folder)
    listed = [(each, file.keys(each.name)) for each in file.accounts()]
    if as_json:
        print_json([_account(each) | {"keys": [_key(key) for key in keys]} for each, keys in listed])
        return
    rows = [
        (each.name, key.id[:12] + "…", key.form, ",".join(sorted(key.scopes)), key.label, _time(key.revoked_ms))
        for each, keys in listed
        for key in keys
    ]
    rows += [(each.name, "", "", "", "", "") for each, keys in listed if not keys]
    print_table("accounts", ("account", "API key", "form", "scopes", "label", "revoked"), rows)


@account.command("revoke")
@click.argument("key_id")
@home_option
@folder_option
@json_option
@reports_errors
def revoke(key_id: str, home: Path | None, folder: Path | None, as_json: bool) -> None:
    """Cancel an API key.

    KEY_ID is the key's, or how it begins.
    """
    file = _file(home, folder)
    ids = [key.id for each in file.accounts() for key in file.keys(each.name) if key.id.startswith(key_id)]
    if len(ids) != 1:
        raise ConfigError(f"{len(ids)} API keys begin with {key_id!r}; see: gossipbook gateway account list --json")
    gone = file.revoke(ids[0])
    if as_json:
        print_json(_key(gone))
    else:
        say(f"revoked {gone.id} of account {gone.account}")


def write_token(file: Path, token: str) -> None:
    """Write a token to a new file of its owner's alone."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(token)


def read_public_pem(file: Path) -> PublicKey:
    """An Ed25519 public key of a PEM file.

    Raises:
        ConfigError: it holds none.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(file.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{file}: not a PEM public key: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{file}: expected an Ed25519 public key")
    raw = key.public_bytes_raw()
    assert len(raw) == PUBLIC_KEY_BYTES
    return raw


def _account(made: Account) -> dict[str, Any]:
    return {"account": made.name, "key_file": str(made.key_file), "made_ms": made.made_ms}


def _key(key: ApiKey) -> dict[str, Any]:
    told = {"id": key.id, "account": key.account, "scopes": sorted(key.scopes), "form": key.form}
    return told | {"label": key.label, "made_ms": key.made_ms, "revoked_ms": key.revoked_ms}


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M") if time_ms else ""

"""Who may do what at a gateway: accounts, each a wallet's key file, and their API keys, in one SQLite file.

Several programs may use the file: the gateway reads what the command line wrote as soon as it is committed. A secret is
kept as it is, because some signatures are made with it, so the file is its owner's alone to read.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from gossipbook.errors import ConfigError
from gossipbook.gateway.clock import now_ms
from gossipbook.ids import PublicKey

FILE: Final = "accounts.db"
ACCOUNTS_CAP: Final = 10_000
KEYS_CAP: Final = 64
"""API keys of one account that are not revoked."""
NAME_CAP: Final = 64
SECRET_BYTES: Final = 32
KEY_ID_BYTES: Final = 24
BUSY_S: Final = 10.0
LOOK_S: Final = 0.1
"""How often the file is looked at for what other programs wrote."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, key_file TEXT NOT NULL, made_ms INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS api_keys (id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (name),
    scopes TEXT NOT NULL, label TEXT NOT NULL, secret BLOB, public_key BLOB, made_ms INTEGER NOT NULL,
    revoked_ms INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID
"""


class Scope(StrEnum):
    """What an API key may do: ``read`` an account; ``cancel``, which is to reduce what it risks; ``trade``."""

    READ = "read"
    CANCEL = "cancel"
    TRADE = "trade"


IMPLIED: Final = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.CANCEL: frozenset({Scope.READ, Scope.CANCEL}),
    Scope.TRADE: frozenset({Scope.READ, Scope.CANCEL, Scope.TRADE}),
}
"""Whoever may do more may do less, too."""


class Account(NamedTuple):
    """``key_file``: of the wallet that signs for it."""

    name: str
    key_file: Path
    made_ms: int


class ApiKey(NamedTuple):
    """A key of an account, with a ``secret`` that both sides know or the ``public_key`` of one that its owner has."""

    id: str
    account: str
    scopes: frozenset[Scope]
    label: str
    secret: bytes | None
    public_key: PublicKey | None
    made_ms: int
    revoked_ms: int

    @property
    def form(self) -> str:
        """``secret`` or ``ed25519``."""
        return "ed25519" if self.secret is None else "secret"


class AccountFile:
    """The file of a gateway's accounts. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            ConfigError: it cannot be used; says why.
        """
        self.path = folder / FILE
        self._folder = folder.resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            if self.path.stat().st_mode & 0o077:
                raise ConfigError(f"{self.path} holds secrets and others may read it: chmod 600 {self.path}")
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"cannot use {self.path}: {error}") from None
        self._known: dict[str, ApiKey] = {}  # no more than there are
        self._accounts: dict[str, Account] = {}
        self._looked_s = 0.0
        self._version = -1

    def close(self) -> None:
        self._db.close()

    # -- accounts -----------------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """All of them, by name. Key files in the gateway's folder go with it, wherever it is taken or restored to."""
        rows = self._db.execute("SELECT name, key_file, made_ms FROM accounts ORDER BY name")
        return [Account(name, self._folder / key_file, made_ms) for name, key_file, made_ms in rows]

    def add_account(self, name: str, key_file: Path) -> Account:
        """Make an account of a wallet's key file.

        Raises:
            ConfigError: the name is none, or taken, or the key file is another account's.
        """
        if not 0 < len(name) <= NAME_CAP or not name.isprintable():
            raise ConfigError(f"account: expected a name of up to {NAME_CAP} characters")
        account = Account(name, key_file.resolve(), now_ms())
        for other in self.accounts():
            if other.name == name:
                raise ConfigError(f"account {name!r} exists already")
            if other.key_file == account.key_file:
                raise ConfigError(f"{key_file} is the wallet of account {other.name!r}")
        if len(self.accounts()) >= ACCOUNTS_CAP:
            raise ConfigError(f"a gateway has at most {ACCOUNTS_CAP:,} accounts")
        inside = account.key_file.is_relative_to(self._folder)
        named = account.key_file.relative_to(self._folder) if inside else account.key_file
        self._write("INSERT INTO accounts VALUES (?, ?, ?)", (name, str(named), account.made_ms))
        return account

    # -- keys ---------------------------------------------------------------------------------------

    def add_key(
        self, account: str, scopes: Iterable[Scope], label: str = "", public_key: PublicKey | None = None
    ) -> ApiKey:
        """Make an API key: with a fresh secret, or for whoever has the private key of a public one.

        Raises:
            ConfigError: there is no such account, or it has too many keys, or no scope was given.
        """
        if account not in {each.name for each in self.accounts()}:
            raise ConfigError(f"no account {account!r}; make it first")
        wanted = frozenset().union(*(IMPLIED[scope] for scope in scopes))
        if not wanted:
            raise ConfigError(f"scopes: one of {', '.join(Scope)}")
        if len([key for key in self.keys(account) if not key.revoked_ms]) >= KEYS_CAP:
            raise ConfigError(f"account {account!r} has {KEYS_CAP} API keys: revoke one")
        secret = None if public_key is not None else secrets.token_urlsafe(SECRET_BYTES).encode()
        made_ms = now_ms()
        key = ApiKey(secrets.token_hex(KEY_ID_BYTES), account, wanted, label[:NAME_CAP], secret, public_key, made_ms, 0)
        values = key.id, account, ",".join(sorted(wanted)), key.label, secret, public_key, made_ms
        self._write("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, 0)", values)
        return key

    def keys(self, account: str) -> list[ApiKey]:
        """The API keys of an account, revoked ones too."""
        rows = self._db.execute("SELECT * FROM api_keys WHERE account = ? ORDER BY made_ms, id", (account,))
        return [_read_key(*row) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """Have an API key open nothing any more.

        Raises:
            ConfigError: there is none of that name.
        """
        row = self._db.execute("SELECT * FROM api_keys WHERE id = ?", (key_id,)).fetchone()
        if row is None:
            raise ConfigError(f"no API key {key_id[:16]!r}…")
        self._write("UPDATE api_keys SET revoked_ms = ? WHERE id = ? AND NOT revoked_ms", (now_ms(), key_id))
        return _read_key(*row)

    def find_key(self, key_id: str) -> ApiKey | None:
        """An API key that is not revoked. A new one counts at once, a revoked one no more after :data:`LOOK_S`."""
        self._look()
        if key_id not in self._known:
            self._looked_s = -LOOK_S  # It may have been made just now.
            self._look()
        return self._known.get(key_id)

    def find_account(self, name: str) -> Account | None:
        """An account by its name, as fresh as :meth:`find_key`."""
        self._look()
        return self._accounts.get(name)

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._version >= 0 and now_s < self._looked_s + LOOK_S:
            return
        self._looked_s = now_s
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            with closing(self._db.execute("SELECT * FROM api_keys WHERE NOT revoked_ms")) as rows:
                self._known = {row[0]: _read_key(*row) for row in rows}
            self._accounts = {account.name: account for account in self.accounts()}
            self._version = version

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise ConfigError(f"cannot write {self.path}: {error}") from None
        self._version = -1  # An own write does not change what SQLite says of others'.


def _read_key(
    key_id: str,
    account: str,
    scopes: str,
    label: str,
    secret: bytes | None,
    public_key: bytes | None,
    made_ms: int,
    revoked_ms: int,
) -> ApiKey:
    held = frozenset(Scope(scope) for scope in scopes.split(","))
    return ApiKey(key_id, account, held, label, secret, public_key, made_ms, revoked_ms)

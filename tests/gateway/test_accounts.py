"""Accounts and API keys in their file, and who is let in with them."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from gossipbook.errors import ConfigError
from gossipbook.gateway import access
from gossipbook.gateway.access import GUESSES_BURST, Denied, Guesses, bearer, require, signed
from gossipbook.gateway.accounts import KEYS_CAP, AccountFile, ApiKey, Scope
from gossipbook.identity import Identity

PAYLOAD = b"symbol=BTCUSD&side=BUY&timestamp=1700000000000"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AccountFile]:
    with closing(AccountFile(tmp_path / "gateway")) as made:
        made.add_account("alice", tmp_path / "alice.key")
        yield made


def token(key: ApiKey) -> str:
    assert key.secret is not None
    return f"{key.id}.{key.secret.decode()}"


def test_an_account_has_one_wallet_and_a_wallet_one_account(file: AccountFile, tmp_path: Path) -> None:
    file.add_account("bob", tmp_path / "bob.key")
    assert [account.name for account in file.accounts()] == ["alice", "bob"]
    for name, key_file, why in (
        ("alice", "other.key", "exists already"),
        ("carol", "alice.key", "is the wallet of account 'alice'"),
        ("", "carol.key", "expected a name"),
        ("a\nb", "carol.key", "expected a name"),
        ("x" * 65, "carol.key", "expected a name"),
    ):
        with pytest.raises(ConfigError, match=why):
            file.add_account(name, tmp_path / key_file)


def test_the_file_is_its_owners_alone(file: AccountFile) -> None:
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    file.path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        AccountFile(file.path.parent)


def test_a_file_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "accounts.db").write_bytes(b"no database" * 100)
    (tmp_path / "accounts.db").chmod(0o600)
    with pytest.raises(ConfigError, match=r"cannot use .*accounts\.db"):
        AccountFile(tmp_path)


def test_whoever_may_trade_may_cancel_and_read(file: AccountFile) -> None:
    held = {scope: file.add_key("alice", [scope]).scopes for scope in Scope}
    assert held == {Scope.READ: {"read"}, Scope.CANCEL: {"read", "cancel"}, Scope.TRADE: {"read", "cancel", "trade"}}
    reader = file.add_key("alice", [Scope.READ])
    require(reader, Scope.READ)
    for scope in (Scope.TRADE, Scope.CANCEL):
        with pytest.raises(Denied, match=f"needs-{scope}"):
            require(reader, scope)
    with pytest.raises(ConfigError, match="no account 'carol'"):
        file.add_key("carol", [Scope.READ])
    with pytest.raises(ConfigError, match="scopes: one of read, cancel, trade"):
        file.add_key("alice", [])


def test_an_account_has_so_many_keys_at_most(file: AccountFile) -> None:
    keys = [file.add_key("alice", [Scope.READ]) for _ in range(KEYS_CAP)]
    with pytest.raises(ConfigError, match="revoke one"):
        file.add_key("alice", [Scope.READ])
    file.revoke(keys[0].id)
    file.add_key("alice", [Scope.READ])
    assert [key.revoked_ms > 0 for key in file.keys("alice")].count(True) == 1


def test_what_another_program_made_or_revoked_counts(file: AccountFile, monkeypatch: pytest.MonkeyPatch) -> None:
    key = file.add_key("alice", [Scope.READ])
    assert file.find_key(key.id) == key
    with closing(AccountFile(file.path.parent)) as other:
        more = other.add_key("alice", [Scope.TRADE], "bot")
        assert file.find_key(more.id) == more
        other.revoke(key.id)
        account = other.add_account("carol", file.path.with_name("carol.key"))
    monkeypatch.setattr("gossipbook.gateway.accounts.LOOK_S", 0.0)  # as after that time
    assert file.find_key(key.id) is None
    assert file.find_account("carol") == account
    with pytest.raises(ConfigError, match="no API key"):
        file.revoke("nobody")


def test_two_programs_make_keys_at_one_time(file: AccountFile) -> None:
    made: list[ApiKey] = []

    def make() -> None:
        with closing(AccountFile(file.path.parent)) as other:
            made.extend(other.add_key("alice", [Scope.READ]) for _ in range(10))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 40
    assert {key.id for key in file.keys("alice")} == {key.id for key in made}


# -- who is let in ------------------------------------------------------------------------------------


def test_a_bearer_token(file: AccountFile) -> None:
    key, other = file.add_key("alice", [Scope.READ]), file.add_key("alice", [Scope.READ])
    assert bearer(file.find_key, token(key)) == key
    assert other.secret is not None
    others = f"{key.id}.{other.secret.decode()}"
    for wrong in ("", ".", key.id, f"{key.id}.", others, f"{token(key)}x", f"x{token(key)}", "é.é"):
        with pytest.raises(Denied, match="wrong-key"):
            bearer(file.find_key, wrong)
    file.revoke(key.id)
    with pytest.raises(Denied, match="wrong-key"):
        bearer(file.find_key, token(key))


def test_a_key_that_holds_no_secret_has_no_bearer_token(file: AccountFile) -> None:
    key = file.add_key("alice", [Scope.READ], public_key=Identity(bytes(32)).public_key)
    assert (key.form, key.secret) == ("ed25519", None)
    for secret in ("", access._NOBODY.decode(), "None"):
        with pytest.raises(Denied, match="wrong-key"):
            bearer(file.find_key, f"{key.id}.{secret}")


def test_an_hmac_of_a_payload(file: AccountFile) -> None:
    key = file.add_key("alice", [Scope.TRADE])
    assert key.secret is not None
    made = hmac.new(key.secret, PAYLOAD, hashlib.sha256).hexdigest()
    assert signed(file.find_key, key.id, PAYLOAD, made) == key
    assert signed(file.find_key, key.id, PAYLOAD, made.upper()) == key
    for payload, signature in ((PAYLOAD + b"0", made), (PAYLOAD, made[:-1]), (PAYLOAD, ""), (PAYLOAD, "é")):
        with pytest.raises(Denied, match="wrong-signature"):
            signed(file.find_key, key.id, payload, signature)
    nobody = hmac.new(access._NOBODY, PAYLOAD, hashlib.sha256).hexdigest()
    with pytest.raises(Denied, match="wrong-key"):
        signed(file.find_key, "nobody", PAYLOAD, nobody)


def test_an_ed25519_signature_of_a_payload(file: AccountFile) -> None:
    pair = SigningKey.generate()
    key = file.add_key("alice", [Scope.TRADE], public_key=bytes(pair.verify_key))
    made = base64.b64encode(pair.sign(PAYLOAD).signature).decode()
    assert signed(file.find_key, key.id, PAYLOAD, made) == key
    wrong = (PAYLOAD + b"0", made), (PAYLOAD, made[:-4]), (PAYLOAD, "no base64"), (PAYLOAD, ""), (PAYLOAD, "é")
    for payload, signature in wrong:
        with pytest.raises(Denied, match="wrong-signature"):
            signed(file.find_key, key.id, payload, signature)


def test_whoever_guesses_waits_and_nobody_else() -> None:
    guesses = Guesses()
    for _ in range(GUESSES_BURST):
        guesses.check("10.0.0.1", 0.0)
        guesses.failed("10.0.0.1", 0.0)
    with pytest.raises(Denied, match="too-many-guesses"):
        guesses.check("10.0.0.1", 0.0)
    guesses.check("10.0.0.2", 0.0)
    guesses.check("10.0.0.1", 6.0)
    guesses.failed("10.0.0.1", 6.0)
    with pytest.raises(Denied, match="too-many-guesses"):
        guesses.check("10.0.0.1", 6.0)

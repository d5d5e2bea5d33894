"""Making networks and keys, and what is refused before anything runs."""

import stat
import subprocess
from pathlib import Path

import pytest

from gossipbook.manifest import RULES_VERSION

from .support import BINARY, ENVIRONMENT, answer, invoke


def test_init_makes_a_manifest_and_a_folder_for_each_peer(tmp_path):
    made = answer("network", "init", tmp_path / "net", "--pair", "A-B:0.5:0.001")
    assert (made["n"], made["f"], made["q"]) == (4, 1, 3)
    assert sorted(made["committees"]["A-B"]) == ["peer1", "peer2", "peer3", "peer4"]
    assert len(made["folders"]) == 4
    shown = answer("network", "show", tmp_path / "net" / "network.toml")
    assert (shown["chain_id"], shown["committees"]) == (made["chain_id"], made["committees"])
    key = tmp_path / "net" / "peer1" / "keys" / "peer.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_init_says_that_two_seats_tolerate_nothing(tmp_path):
    result = invoke("network", "init", tmp_path / "net", "--peers", 2)
    assert "tolerates no crash" in result.stdout


def test_a_manifest_is_never_overwritten(tmp_path):
    invoke("network", "init", tmp_path / "net")
    before = (tmp_path / "net" / "network.toml").read_text()
    assert "never overwritten" in invoke("network", "init", tmp_path / "net", code=1).stderr
    assert (tmp_path / "net" / "network.toml").read_text() == before


def test_brackets_in_names_are_shown(tmp_path):
    result = invoke("network", "init", tmp_path / "net", "--name", "[red]x[/red]", "--pair", "[A]-[B]")
    assert "[red]x[/red]" in result.stdout
    assert "[A]-[B]" in result.stdout


def test_keys_are_shown_without_their_secret_and_never_overwritten(tmp_path):
    file = tmp_path / "a.key"
    made = answer("keys", "new", file)
    assert answer("keys", "show", file) == made
    secret = file.read_text().splitlines()[1].split()[1]
    assert secret not in invoke("keys", "show", file).output
    assert "never overwritten" in invoke("keys", "new", file, code=1).stderr


def test_a_key_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / "a.key"
    invoke("keys", "new", file)
    file.chmod(0o640)
    assert f"chmod 600 {file}" in invoke("keys", "show", file, code=1).stderr


def test_an_unknown_config_key_names_the_nearest_one(tmp_path):
    invoke("network", "init", tmp_path / "net")
    home = tmp_path / "net" / "peer1"
    with (home / "config.toml").open("a") as config:
        config.write('lissten = "127.0.0.1:0"\n')
    assert "did you mean 'listen'?" in invoke("start", home, code=2).stderr


def test_an_unknown_manifest_key_names_the_nearest_one(tmp_path):
    invoke("network", "init", tmp_path / "net")
    file = tmp_path / "net" / "network.toml"
    file.write_text('fault_modell = "crash"\n' + file.read_text())
    assert "did you mean 'fault_model'?" in invoke("network", "show", file, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["status"], "name a peer"),
        (["status", "--peer", "ws://127.0.0.1:1"], "--network"),
        (["status", "--home", "/nowhere"], "does not exist"),
        (["export", "A-B"], "name the peer's folder"),
        (["verify"], "Missing argument"),
        (["verify", "/nowhere"], "does not exist"),
        (["order", "place", "A-B", "hold", "1", "1"], "hold"),
        (["keys", "burn"], "No such command"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, text):
    assert text in invoke(*arguments, code=2).stderr


def test_help_of_every_command_is_told():
    listed = invoke("--help").stdout
    for name in ("status", "peers", "book", "order", "export", "verify"):
        assert name in listed
        assert "Usage:" in invoke(name, "--help").stdout


def test_the_binary_runs_as_a_module():
    done = subprocess.run([*BINARY, "--version"], capture_output=True, text=True, timeout=30, env=ENVIRONMENT)
    assert (done.returncode, "gossipbook" in done.stdout) == (0, True)


def test_a_network_that_cannot_be_leaves_nothing_behind(tmp_path):
    for options in (["--committee-size", 5], ["--pair", "A-B:1"], ["--pair", "A-B:0:1"], ["--name", ""]):
        invoke("network", "init", tmp_path / "net", *options, code=2)
        assert not (tmp_path / "net").exists()
    invoke("network", "init", tmp_path / "net")


def test_init_names_wardens_a_rate_and_a_band(tmp_path):
    warden = answer("keys", "new", tmp_path / "warden.key")["public_key"]
    options = ("--warden", tmp_path / "warden.key", "--warden", "ab" * 32, "--warden", warden)
    options += ("--max-commands-per-s", 50, "--price-band-bps", 250)
    made = answer("network", "init", tmp_path / "net", "--pair", "A-B:0.5:1", "--pair", "C-D", *options)
    assert (made["rules_version"], made["wardens"]) == (RULES_VERSION, [warden, "ab" * 32])
    assert (made["max_commands_per_s"], made["price_band_bps"]) == (50, {"A-B": 250, "C-D": 250})
    shown = invoke("network", "show", tmp_path / "net" / "network.toml").stdout
    assert (
        f"rules of version {RULES_VERSION}, 2 wardens, 50 commands a second for each author, price band 2.5 %" in shown
    )
    assert "neither a public key" in invoke("network", "init", tmp_path / "other", "--warden", "me", code=2).stderr
    assert not (tmp_path / "other").exists()


def test_a_terminal_without_a_width_is_shown_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke("network", "init", tmp_path / "net", "--peers", 1, "--pair", "A-B")
    monkeypatch.setenv("COLUMNS", "0")
    assert "1 make a quorum" in invoke("network", "show", tmp_path / "net" / "network.toml").stdout

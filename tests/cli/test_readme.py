"""The README's commands exist, with the options that it gives them."""

import re
import shlex
from pathlib import Path

import click
import pytest

from gossipbook.cli.app import app
from gossipbook.cli.lazy import LazyGroup
from gossipbook.storage.keys import create_key

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("gossipbook ")]


def test_the_readme_has_commands():
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_parses(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)[1:]
    for name in ("one.ndjson", "four.ndjson", "net/network.toml", "alice.receipt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("alice.key", "me.key", "warden.key"):
        create_key(tmp_path / name)
    (tmp_path / "simulations").symlink_to(README.parent / "simulations")
    for number in range(1, 5):
        (tmp_path / "net" / f"peer{number}").mkdir()
    command: click.Command = app
    context = click.Context(app)
    while isinstance(command, click.Group):
        if isinstance(command, LazyGroup):
            words = command.spelled_out(words)
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    command.make_context(command.name, words)

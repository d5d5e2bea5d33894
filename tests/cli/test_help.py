"""What ``--help``, typing errors and the Tab key give: every command by its wing, whole lines, the nearest name."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from gossipbook.cli.app import WINGS, app
from gossipbook.cli.lazy import SHORT_HELP_CAP, CommandGroup, LazyGroup, short_help

from .support import invoke

COLUMNS = 80
VERBS = {
    *("Admit", "Ask", "Cancel", "Change", "Check", "Expel", "Keep", "Leave", "Make", "Place", "Run", "Set", "Show"),
    *("Tell", "Trade", "Write"),
}


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by the words that name it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


ALL = dict(commands(app, "gossipbook"))


@pytest.mark.parametrize("path", ALL)
def test_a_short_help_starts_with_a_verb_and_is_short(path: str) -> None:
    told = ALL[path].get_short_help_str(1_000)
    assert told.split()[0].rstrip(",") in VERBS
    assert len(told) <= SHORT_HELP_CAP
    assert ALL[path].get_short_help_str(SHORT_HELP_CAP) == told, "it is shown whole"


@pytest.mark.parametrize("path", ["gossipbook", *ALL])
def test_a_list_says_of_each_command_what_the_command_says(path: str) -> None:
    group = app if path == "gossipbook" else ALL[path]
    if not isinstance(group, LazyGroup):
        return
    for name, home in group.homes.items():
        assert home.help == short_help(ALL[f"{path} {name}"])
        assert ALL[f"{path} {name}"].name == name


@pytest.mark.parametrize("path", ["gossipbook", *ALL])
def test_help_fits_a_screen_of_80_columns(path: str) -> None:
    done = CliRunner().invoke(app, [*path.split()[1:], "--help"], terminal_width=COLUMNS)
    assert done.exit_code == 0
    assert [line for line in done.output.splitlines() if len(line) > COLUMNS] == []
    assert "..." not in re.sub(r"\]\.\.\.|[A-Z]\.\.\.", "", done.output), "nothing is cut off"


def test_every_command_is_under_the_heading_of_its_wing() -> None:
    sections = re.split(r"\n\n(?=\w+:\n)", invoke("--help").stdout.rstrip())
    listed = {part.split(":\n")[0]: re.findall(r"^  ([\w-]+)  ", part, re.MULTILINE) for part in sections[1:]}
    assert {wing: list(homes) for wing, homes in WINGS.items()} == {k: v for k, v in listed.items() if k != "Options"}


def test_the_list_imports_no_command() -> None:
    code = (
        "import sys\nfrom gossipbook.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('trio', 'rich', 'gossipbook.manifest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["ordre"], "order"),
        (["order", "plce"], "place"),
        (["receipt", "verfy", "x"], "verify"),
        (["network", "int"], "init"),
        (["group", "admitt"], "admit"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest_one(words: list[str], meant: str) -> None:
    said = invoke(*words, code=2).stderr
    mistyped = words[0] if len(words) == 1 else words[1]
    assert f"No such command {mistyped!r}. Did you mean {meant!r}?" in said


def test_a_word_like_no_command_gets_no_suggestion_and_an_option_does() -> None:
    assert "Did you mean" not in invoke("xyzzy", code=2).stderr
    assert "--iceberg" in invoke("order", "place", "--icebreg", code=2).stderr


def test_all_groups_are_of_one_kind() -> None:
    assert [
        path for path, each in ALL.items() if isinstance(each, click.Group) and not isinstance(each, CommandGroup)
    ] == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gossipbook or", {"order"}),
        ("gossipbook order ca", {"cancel", "cancel-all"}),
        ("gossipbook status --wa", {"--watch", "--wait"}),
    ],
)
def test_the_tab_key_completes(line: str, offered: set[str]) -> None:
    environment = os.environ | {
        "_GOSSIPBOOK_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    code = "import sys; sys.argv = ['gossipbook']; from gossipbook.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert {row.partition(",")[2] for row in done.stdout.splitlines()} == offered

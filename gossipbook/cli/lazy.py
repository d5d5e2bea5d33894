"""Groups of commands: imported when they are wanted, listed under headings, and forgiving of typos.

Most commands bring the network along, and some must start fast, so a group knows of each where it is and what to say of
it in a list, and imports only the one that is run.
"""

import gc
import importlib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

SHORT_HELP_CAP = 60
"""Characters of a command's short help: with its name beside it, a line of 80 columns holds it whole."""


class Home(NamedTuple):
    """Where a command is: a module under ``gossipbook.cli``. ``help`` is its short help, without the full stop."""

    module: str
    help: str


def short_help(command: click.Command) -> str:
    """The first sentence of a command's help, without its full stop."""
    return command.get_short_help_str(SHORT_HELP_CAP).removesuffix(".")


class CommandGroup(click.Group):
    """A group that lists its commands in one line each, and suggests what a mistyped one may have meant."""

    def listed(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Headings, each with its commands and their short helps."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, short_help(command)) for name, command in found if command is not None]
        yield "Commands", rows

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, rows in self.listed(ctx):
            with formatter.section(heading):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names with their short helps, for which no command has to be imported; then the group's options."""
        rows = [row for _, listed in self.listed(ctx) for row in listed]
        items = [CompletionItem(name, help=text) for name, text in rows if name.startswith(incomplete)]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


class LazyGroup(CommandGroup):
    """A group whose commands live in other modules, under the command's name; ``homes`` is by heading, then by name.

    ``default`` is run when the first word is no command's name; its arguments then follow the group's name at once.
    """

    def __init__(
        self, name: str | None = None, *, homes: Mapping[str, Mapping[str, Home]], default: str = "", **attributes: Any
    ) -> None:
        super().__init__(name, **attributes)
        self.homes = {name: home for listed in homes.values() for name, home in listed.items()}
        self._headings = homes
        self._default = default

    def listed(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        for heading, homes in self._headings.items():
            yield heading, [(name, home.help) for name, home in homes.items()]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = self.homes.get(cmd_name)
        if home is None:
            return None
        found = getattr(_imported(home.module), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def spelled_out(self, words: list[str]) -> list[str]:
        """The words after the group's name, the default command's among them; a typo stays what it is."""
        if not self._default or not words or words[0] in (*self.homes, "-h", "--help"):
            return words
        return words if get_close_matches(words[0], self.homes, cutoff=0.75) else [self._default, *words]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.spelled_out(args))


def _imported(module: str) -> ModuleType:
    """Import a command's module, without looking for garbage meanwhile: what an import makes stays."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(f"gossipbook.cli.{module}")
    finally:
        if collects:
            gc.enable()

"""Commands that are imported when they are wanted: most of them bring the network along, and some must start fast."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands live in ``gossipbook.cli.<home>``, under the command's name.

    ``default`` is run when the first word is no command's name; its arguments then follow the group's name at once.
    """

    def __init__(self, name: str | None, homes: Mapping[str, str], default: str = "", **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self._homes = dict(homes)
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = self._homes.get(cmd_name)
        if home is None:
            return None
        module = importlib.import_module(f"gossipbook.cli.{home}")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found

    def spelled_out(self, words: list[str]) -> list[str]:
        """The words after the group's name, the default command's among them."""
        if self._default and words and words[0] not in (*self._homes, "-h", "--help"):
            return [self._default, *words]
        return words

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.spelled_out(args))

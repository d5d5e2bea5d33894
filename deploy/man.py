"""Writes a manual page of each command.

python deploy/man.py FOLDER
"""

import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from gossipbook.cli.app import app


def imported(command: click.Command, context: click.Context) -> None:
    """Have lazy groups import their commands, as the pages name all of them."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            command.commands[name] = found
            imported(found, click.Context(found, info_name=name, parent=context))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    imported(app, click.Context(app, info_name="gossipbook"))
    write_man_pages("gossipbook", app, target_dir=str(folder))
    print(f"{len([*folder.glob('*.1')])} pages in {folder}")


if __name__ == "__main__":
    main()

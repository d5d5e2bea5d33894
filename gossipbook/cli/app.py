"""The command tree."""

import click

from gossipbook.cli.demo import demo
from gossipbook.cli.network import keys, network
from gossipbook.cli.start import start


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="gossipbook")
def app() -> None:
    """A peer-to-peer order matching network: peers, books, certified fills."""


for command in (network, keys, start, demo):
    app.add_command(command)

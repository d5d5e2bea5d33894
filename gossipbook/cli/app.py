"""The command tree."""

import click

from gossipbook.cli.book import book
from gossipbook.cli.chain import export, verify
from gossipbook.cli.demo import demo
from gossipbook.cli.explore import explore
from gossipbook.cli.network import keys, network
from gossipbook.cli.order import order
from gossipbook.cli.replay import replay
from gossipbook.cli.simulate import simulate
from gossipbook.cli.start import start
from gossipbook.cli.status import peers, status


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="gossipbook")
def app() -> None:
    """A peer-to-peer order matching network: peers, books, certified fills."""


for command in (network, keys, start, status, peers, book, order, export, verify, demo, replay, simulate, explore):
    app.add_command(command)

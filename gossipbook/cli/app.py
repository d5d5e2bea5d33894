"""The command tree."""

import click

from gossipbook.cli.lazy import LazyGroup

HOMES = {
    "book": "book",
    "demo": "demo",
    "explain": "explain",
    "explore": "explore",
    "export": "chain",
    "group": "group",
    "keys": "network",
    "network": "network",
    "order": "order",
    "pair": "pair",
    "peers": "status",
    "receipt": "receipt",
    "rematch": "rematch",
    "replay": "replay",
    "simulate": "simulate",
    "start": "start",
    "status": "status",
    "verify": "chain",
}
"""Each command, and the module that has it."""

app = LazyGroup(
    "gossipbook",
    HOMES,
    help="A peer-to-peer order matching network: peers, books, certified fills.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app = click.version_option(package_name="gossipbook")(app)

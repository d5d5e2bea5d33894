"""The command tree."""

import click

from gossipbook.cli.lazy import LazyGroup

HOMES = {
    "book": "trade.book",
    "demo": "test.demo",
    "explain": "trade.explain",
    "explore": "test.explore",
    "export": "prove.chain",
    "group": "trade.group",
    "keys": "operate.network",
    "network": "operate.network",
    "order": "trade.order",
    "pair": "trade.pair",
    "peers": "operate.status",
    "receipt": "prove.receipt",
    "rematch": "prove.rematch",
    "replay": "trade.replay",
    "simulate": "test.simulate",
    "start": "operate.start",
    "status": "operate.status",
    "verify": "prove.chain",
}
"""Each command, and the module that has it."""

app = LazyGroup(
    "gossipbook",
    HOMES,
    help="A peer-to-peer order matching network: peers, books, certified fills.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app = click.version_option(package_name="gossipbook")(app)

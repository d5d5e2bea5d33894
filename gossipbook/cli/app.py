"""The command tree: four wings, one for each kind of user."""

import click

from gossipbook.cli.lazy import Home, LazyGroup

WINGS = {
    "Trade": {
        "order": Home("trade.order", "Place, change and show orders"),
        "book": Home("trade.book", "Show the book of a pair"),
        "statement": Home("trade.statement", "Show an author's account"),
        "trades": Home("trade.history", "Show the trades of a pair"),
        "candles": Home("trade.history", "Show the candles of a pair"),
        "explain": Home("trade.explain", "Tell the story of one order"),
        "pair": Home("trade.pair", "Show or set what a pair takes"),
        "group": Home("trade.group", "Keep some authors from trading with each other"),
        "replay": Home("trade.replay", "Trade recorded or generated order flow"),
    },
    "Operate": {
        "network": Home("operate.network", "Make and show network manifests"),
        "keys": Home("operate.network", "Make and show key files"),
        "start": Home("operate.start", "Run the peer of a folder"),
        "doctor": Home("operate.doctor", "Check a peer, its machine and its network"),
        "backup": Home("operate.backup", "Write a peer's folder to a file"),
        "restore": Home("operate.backup", "Make a peer's folder of a backup"),
        "upgrade": Home("operate.backup", "Change a peer's folder over to this version"),
        "debug-bundle": Home("operate.debug_bundle", "Write what helps others to help, without secrets"),
        "gateway": Home("operate.gateway", "Run HTTP and WebSocket in front of a network"),
        "status": Home("operate.status", "Show how a peer and its pairs fare"),
        "peers": Home("operate.status", "Show the live links of a peer"),
    },
    "Prove": {
        "receipt": Home("prove.receipt", "Write and check the proof of one order"),
        "export": Home("prove.chain", "Write the certified chain of a pair to a file"),
        "verify": Home("prove.chain", "Check exported chains, trusting no peer"),
        "rematch": Home("prove.rematch", "Run an exported chain under another matching rule"),
    },
    "Test": {
        "demo": Home("test.demo", "Trade on four real peers, then verify every chain"),
        "simulate": Home("test.simulate", "Run scenarios under faults, on virtual time"),
        "explore": Home("test.explore", "Check consensus in every order of events, in bounds"),
    },
}
"""Each command by its wing, where it is, and its short help."""

app = LazyGroup(
    "gossipbook",
    homes=WINGS,
    help="A peer-to-peer order matching network: peers, books, certified fills.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app = click.version_option(package_name="gossipbook")(app)

"""What a recorder writes down while a run goes on, before it becomes a recording."""

from dataclasses import dataclass, field

from gossipbook.run_report.contents import VoteKey
from gossipbook.run_report.market import MarketLog
from gossipbook.run_report.messages import MessageFlow
from gossipbook.run_report.recording import Look, Traffic, VoteNote
from gossipbook.run_report.sampling import Spreads, Steps

PERIOD_US = 250_000


@dataclass
class Notes:
    """Notes of one run so far, times in microseconds.

    ``ops`` and ``blocks`` are how these spread; ``states`` and ``heights`` go by peer index, ``terms`` by seat;
    ``period_us`` lies between two ``looks``; ``left_out`` counts what went beyond a cap, by what it is.
    """

    market: MarketLog
    traffic: dict[str, Traffic] = field(default_factory=dict)
    ops: Spreads = field(default_factory=Spreads)
    blocks: Spreads = field(default_factory=Spreads)
    flow: MessageFlow = field(default_factory=MessageFlow)
    votes: dict[tuple[str, int], dict[VoteKey, VoteNote]] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    period_us: int = PERIOD_US
    states: dict[int, Steps[str]] = field(default_factory=dict)
    terms: dict[int, Steps[int]] = field(default_factory=dict)
    heights: dict[int, Steps[int]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

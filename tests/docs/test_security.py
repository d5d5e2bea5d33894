"""docs/SECURITY.md has every message that a peer takes, with the limits that the code has."""

import re

from gossipbook.peer.allowance import RATES

from .document import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "SECURITY.md").read_text(encoding="utf-8").splitlines()
    if line.count("|") == 7 and re.match(r"\| [A-Z]\w+", line)
]


def test_every_message_has_a_row_with_its_limit() -> None:
    by_kind = {row[0].replace(",", " ").replace(":", " ").split()[0]: row[-1] for row in ROWS}
    limits = {
        kind.__name__: f"{rate.per_s:,}, {rate.burst:,}{' *p*' if rate.per_pair else ''}"
        for kind, rate in RATES.items()
    }
    missing = set(limits) - set(by_kind)
    assert missing <= {"Watch", "WatchProven", "Unfollow"}, "these only note who wants to hear of blocks"
    assert {kind: by_kind[kind] for kind in limits if kind in by_kind} == {
        k: v for k, v in limits.items() if k in by_kind
    }


def test_nothing_has_others_carry_much_more_than_was_sent() -> None:
    times = [float(found[1]) for row in ROWS if (found := re.search(r"× ([\d.]+)", row[4]))]
    assert times
    assert max(times) < 20

"""What the doctor finds, each with its mend, on real peers and by itself."""

import socket
from pathlib import Path

import pytest
from cli.support import Network, answer

from gossipbook.limits import Timing
from gossipbook.monitor import doctor as look
from gossipbook.monitor.doctor import BAD, GOOD, WARNING, Finding

from .conftest import PAIR


def found(network: Network, number: int, code: int | None = 0) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = {}
    for row in answer("doctor", network.home(number), code=code):
        rows.setdefault(row["about"], []).append(row)
    return rows


def worst(rows: list[dict[str, str]]) -> str:
    levels = [row["level"] for row in rows]
    return BAD if BAD in levels else WARNING if WARNING in levels else GOOD


def test_a_healthy_peer_and_then_one_that_is_not(peers: Network) -> None:
    rows = found(peers, 1)
    assert {about: worst(each) for about, each in rows.items() if about != "clock"} == dict.fromkeys(
        ["version", "key", "disk", "fsync", "config", "descriptors", "port", "peers", "quorum", "divergence"], GOOD
    )
    (peers.home(2) / "keys" / "peer.key").chmod(0o644)
    loose = found(peers, 2, code=1)["permissions"][0]
    assert loose["mend"] == f"chmod 600 {peers.home(2) / 'keys' / 'peer.key'}"
    for number in (3, 4):
        peers.kill(number)
    lost = found(peers, 1, code=1)
    assert worst(lost["quorum"]) == BAD
    assert "peer3" in lost["quorum"][0]["text"]
    assert {row["level"] for row in lost["peers"][1:]} == {BAD}, "who cannot be reached, and where"
    stopped = found(peers, 3)
    assert stopped["peer"][0]["mend"] == f"gossipbook start {peers.home(3)}"


def finding(found: list[Finding], about: str) -> Finding:
    return next(each for each in found if each.about == about)


def test_ports_and_disks_and_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = list(look.port_findings(None, f"127.0.0.1:{port}"))
        reached = list(look.port_findings({"listen": f"ws://127.0.0.1:{port}"}, ""))
    closed = list(look.port_findings({"listen": f"ws://127.0.0.1:{port}", "addresses": []}, ""))
    assert [each[0].level for each in (taken, reached, closed)] == [BAD, GOOD, BAD]
    assert "firewall" in closed[0].mend
    monkeypatch.setattr(look, "free_bytes", lambda folder: 2**20)
    (tmp_path / "keys").mkdir(mode=0o700)
    full = finding(list(look._disk_findings(tmp_path)), "disk")
    assert (full.level, "free some space" in full.mend) == (BAD, True)
    monkeypatch.setattr(look, "fsync_s", lambda folder: 0.2)
    assert finding(list(look._disk_findings(tmp_path)), "fsync").level == WARNING
    monkeypatch.setattr(look.resource, "getrlimit", lambda _: (64, 64))
    few = next(look.descriptor_findings(None))
    assert (few.level, "ulimit" in few.mend) == (WARNING, True)
    monkeypatch.setattr(look.resource, "getrlimit", lambda _: (20, 20))
    assert next(look.descriptor_findings(None)).level == BAD


def status(**changes: object) -> dict[str, object]:
    row = {"symbol": PAIR, "state": "certifying", "height": 5, "events_digest": "aa", "absent": [], "leader": "a"}
    row |= {"observer_reason": "", "time_trouble": ""}
    told = {"name": "a", "links": 3, "pairs": [row], "clock_trouble": "", "clock_offset_ms": 3, "archive_trouble": ""}
    return told | changes


def test_clocks_and_divergence() -> None:
    timing = Timing()
    fine = list(look.status_findings(status(wall_ms=1_000), timing, 1_000))
    assert {each.level for each in fine} == {GOOD}
    wrong = list(look.status_findings(status(clock_trouble="this clock is 90.0 s ahead"), timing, 0))
    assert (finding(wrong, "clock").level, "chrony" in finding(wrong, "clock").mend) == (BAD, True)
    apart = [each for each in look.status_findings(status(wall_ms=10**6), timing, 0) if each.about == "clock"]
    assert apart[-1].level == BAD
    other = {"name": "b", "pairs": [{"symbol": PAIR, "height": 5, "events_digest": "bb"}]}
    assert finding(list(look.divergence_findings(status(), [other])), "divergence").level == BAD
    behind = {"name": "b", "pairs": [{"symbol": PAIR, "height": 4, "events_digest": "bb"}]}
    assert finding(list(look.divergence_findings(status(), [behind])), "divergence").level == GOOD

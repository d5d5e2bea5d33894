"""What operators are given with the program: units, rules, a dashboard, manual pages, each as its own tool wants it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.support import Network
from gateway.conftest import need

from .test_monitor import get

DEPLOY = Path(__file__).parents[2] / "deploy"
WITHIN_S = 120
NAME = re.compile(r"\b(gossipbook_[a-z_]+|process_[a-z_]+)\b")
NOT_OURS = {"up"}


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=WITHIN_S, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_alert_rules_pass_their_checks_and_tests() -> None:
    need("promtool")
    folder = DEPLOY / "prometheus"
    for command in (
        ("check", "rules", folder / "alerts.yml"),
        ("test", "rules", folder / "alerts_test.yml"),
        ("check", "config", folder / "prometheus.yml"),
    ):
        done = run("promtool", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = re.findall(r"alert: (\w+)", (folder / "alerts.yml").read_text())
    tested = (folder / "alerts_test.yml").read_text()
    for alert in alerts:
        assert f"name: {alert} fires" in tested


def test_each_figure_that_is_named_exists(peers: Network) -> None:
    status, text = get(peers, 1, "/metrics")
    assert status == 200
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) | set(re.findall(r"^(\w+)", text, re.MULTILINE))
    quiet = {"gossipbook_refused_total", "gossipbook_dropped_total"}  # there once there is something to count
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = re.findall(r"expr: (.*)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    named = {name for expression in (*expressions, *rules) for name in NAME.findall(expression)} - {"gossipbook"}
    assert named - known - quiet == set()
    assert len(expressions) > 20


def test_units_are_what_the_manager_wants() -> None:
    need("systemd-analyze")
    units = sorted((DEPLOY / "systemd").glob("*.service"))
    assert len(units) == 2
    done = run("systemd-analyze", "verify", *units)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    for unit in units:
        text = unit.read_text()
        assert "NoNewPrivileges=yes" in text
        assert "ProtectSystem=strict" in text
    assert "Type=notify" in (DEPLOY / "systemd" / "gossipbook@.service").read_text()


def test_each_command_has_a_manual_page(tmp_path: Path) -> None:
    done = run(sys.executable, DEPLOY / "man.py", tmp_path)
    assert done.returncode == 0, done.stderr
    pages = {page.name for page in tmp_path.glob("*.1")}
    for name in ("gossipbook.1", "gossipbook-start.1", "gossipbook-gateway-run.1", "gossipbook-doctor.1"):
        assert name in pages
    need("man")
    done = run("man", "--warnings", "-l", tmp_path / "gossipbook-doctor.1", env=os.environ | {"MANPAGER": "cat"})
    assert done.returncode == 0
    assert "Check a peer" in done.stdout


def test_the_executable_runs_where_there_is_no_python(tmp_path: Path) -> None:
    """Built by ``make binary``; where it was not built this only says so, and CI builds it."""
    binary = DEPLOY.parent / "build" / "binary" / "gossipbook"
    if not binary.exists():
        if os.environ.get("GOSSIPBOOK_REQUIRE_ALL") == "1":
            pytest.fail("make binary was not run")
        pytest.skip("make binary was not run")
    copy = tmp_path / "gossipbook"
    shutil.copy(binary, copy)
    nothing = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    assert "gossipbook, version" in run(copy, "--version", env=nothing).stdout
    done = run(copy, "demo", "--limit", "1200", "--json", env=nothing)
    assert json.loads(done.stdout.splitlines()[-1])["verdict"] == "valid", done.stderr[-1_000:]

"""Seeds handed to a Dask cluster come back as those that ran here."""

import json
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest
from click.testing import CliRunner

from gossipbook.cli.app import app

SCENARIO = str(Path(__file__).parents[2] / "simulations" / "isolate-leader.toml")


@pytest.fixture
def cluster() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as made:
        yield made.scheduler_address


def row(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["simulate", SCENARIO, "--seeds", "0..2", "--json", *arguments])
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_a_cluster_comes_to_the_same(cluster: str) -> None:
    there, here = row("--scheduler", cluster), row()
    for part in ("verdict", "checks", "deliveries", "trace_hash", "runs"):
        assert there[part] == here[part]


def test_no_cluster_there() -> None:
    result = CliRunner().invoke(app, ["simulate", SCENARIO, "--scheduler", "tcp://127.0.0.1:9"])
    assert result.exit_code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in result.output

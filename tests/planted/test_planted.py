"""Bugs planted in the product's cores, each a patch, are caught by judges who know nothing of it.

Each patch in ``bugs/`` opens with a line that says what it breaks and a line that says who is to catch it:
``simulation`` (:mod:`hunt`: scenario files and swarm seeds within a budget that passes unpatched; behind it, which of
them found it last, to try that first), ``explorer`` (the
systematic exploration of the consensus core), or a test that leads the core down the one path that shows it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUGS = sorted((HERE / "bugs").glob("*.patch"))
BUDGET = 99  # simulated runs
PARTS = 3  # of what must not be caught unpatched, so that none of them takes long
TIMEOUT_S = 400


def head(patch: Path) -> tuple[str, str]:
    """What a patch breaks, and who is to catch it."""
    why, judge = patch.read_text().splitlines()[:2]
    assert judge.startswith("caught by: "), patch
    return why, judge.removeprefix("caught by: ")


def is_simulation(judge: str) -> bool:
    return judge.split(" ")[0] == "simulation"


def run(python_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(python_path), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=python_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def copied(folder: Path) -> None:
    """A copy of the package, with what Python made of it: that is taken for each file that is not changed."""
    shutil.copytree(ROOT / "gossipbook", folder / "gossipbook")


def patched(patch: Path, folder: Path) -> Path:
    """A copy of the package with the bug in it. A patch that no longer applies is an error."""
    copied(folder)
    done = subprocess.run(["git", "apply", "-p1", str(patch)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{patch.name} does not apply any more: {done.stderr}"
    return folder


def hunted(python_path: Path, first: str = "") -> dict[str, object]:
    done = run(python_path, str(HERE / "hunt.py"), str(BUDGET), *first.split())
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def explored(python_path: Path) -> dict[str, object]:
    """Each leader of an explored term lies in turn."""
    states = 0
    for liar in ("0", "1"):
        done = run(python_path, "-m", "gossipbook", "explore", "--liar", liar, "--json")
        row = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == (1 if row["verdict"] == "invalid" else 0), done.stderr
        states += row["states"]
        if row["verdict"] == "invalid":
            return {"caught": True, "by": "the laws", "said": done.stderr.splitlines()[-1], "tried": states}
    return {"caught": False, "tried": states}


def directed(python_path: Path, *tests: str) -> dict[str, object]:
    found = [str(ROOT / test) for test in tests]
    done = run(python_path, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *found)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {"caught": done.returncode == 1, "by": "test", "said": tests[0].rsplit("::", 1)[-1], "tried": len(tests)}


JUDGES = {head(patch)[1] for patch in BUGS}
DIRECTED = {judge for judge in JUDGES if judge != "explorer" and not is_simulation(judge)}


@pytest.mark.parametrize("patch", BUGS, ids=lambda patch: patch.stem)
def test_a_planted_bug_is_caught(patch: Path, tmp_path: Path, record_property: pytest.FixtureRequest) -> None:
    why, judge = head(patch)
    python_path = patched(patch, tmp_path)
    if is_simulation(judge):
        found = hunted(python_path, judge.removeprefix("simulation"))
    elif judge == "explorer":
        found = explored(python_path)
    else:
        found = directed(python_path, judge)
    row = {"bug": patch.stem, "judge": judge.split("::")[0], **found}
    record_property("planted", row)  # type: ignore[operator]  # a function, whatever its annotation says
    assert found["caught"], f"{why} Nobody noticed: {row}"


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_the_hunt_finds_nothing_unpatched(part: int) -> None:
    """The very budget that catches the bugs."""
    assert hunted(ROOT, f"--part {part}/{PARTS}") == {"caught": False, "tried": BUDGET // PARTS}


def test_a_directed_test_passes_unpatched_where_it_catches(tmp_path: Path) -> None:
    """In a copy of the package, as with a bug; that all of them pass with this package is what they are there for."""
    copied(tmp_path)
    assert (
        directed(tmp_path, "tests/books/test_prepared.py", "tests/gossip/test_gossip_transcripts.py")["caught"] is False
    )
    for judge in DIRECTED:
        path = ROOT / judge.split("::")[0]
        assert path.exists(), judge
        assert path.name.startswith("test_"), judge


def test_there_are_enough_and_most_are_caught_by_those_who_do_not_know() -> None:
    judges = [head(patch)[1] for patch in BUGS]
    general = [judge for judge in judges if is_simulation(judge) or judge == "explorer"]
    assert len(BUGS) >= 20
    assert len(general) >= 15

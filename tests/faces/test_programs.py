"""The example programs run, and type-check from any folder after either kind of install."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.py"))
MYPY = (sys.executable, "-m", "mypy", "--strict", "--config-file=")
ENOUGH_S = 120.0

needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")


def run(*command: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=ENOUGH_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_types(folder: Path, *sources: Path, python: str = sys.executable) -> None:
    """Check programs as somebody does who has no configuration of ours, with the packages of a Python."""
    for source in sources:
        shutil.copy(source, folder)
    command = [*MYPY, "--cache-dir", str(folder / "cache"), "--python-executable", python]
    run(*command, *(source.name for source in sources), folder=folder)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_program_runs(example: Path, tmp_path: Path) -> None:
    version, lines = run(sys.executable, str(example), folder=tmp_path).split(maxsplit=1)
    assert version.count(".") == 2
    assert lines.split("\n") == ["1 open", "qty_lots", "3", "[10050]", ""]


@needs_mypy
def test_they_type_check_with_the_package_installed_in_place(tmp_path: Path) -> None:
    check_types(tmp_path, *EXAMPLES)


@needs_mypy
def test_they_type_check_with_the_package_installed_as_a_copy(tmp_path: Path) -> None:
    source, home, work = tmp_path / "source", tmp_path / "venv", tmp_path / "work"
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "compiled.sha256")
    shutil.copytree(ROOT / "gossipbook", source / "gossipbook", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    work.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", str(home), folder=tmp_path)
    python = str(home / "bin" / "python")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=work).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(source)),
        folder=tmp_path,
        environment={"GOSSIPBOOK_PURE": "1"},
    )
    found = run(python, "-c", "import gossipbook; print(gossipbook.__file__)", folder=work)
    assert found.strip() == str(site / "gossipbook" / "__init__.py")
    check_types(work, *EXAMPLES, python=python)


@needs_mypy
def test_types_are_inferred_and_mistakes_found(tmp_path: Path) -> None:
    program = tmp_path / "mistaken.py"
    program.write_text(
        "import gossipbook.aio\n"
        "import gossipbook.sync\n"
        "with gossipbook.sync.open_peer(pairs=['BTC-USD']) as peer:\n"
        "    order = peer.pair('BTC-USD').place(peer.wallet(), 'buy', prize_ticks=1)\n"
        "    reveal_type(order.state())\n"
        "    reveal_type(order.certified())\n"
        "async def main() -> None:\n"
        "    async with gossipbook.aio.open_client('ws://h:1', manifest='text') as client:\n"
        "        reveal_type(await (await client.pair('BTC-USD')).order(b'', 1))\n"
        "with gossipbook.open_client('ws://h:1') as wrong:\n"
        "    pass\n"
    )
    command = [*MYPY, "--cache-dir", str(tmp_path / "cache"), program.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = done.stdout
    for expected in (
        'Unexpected keyword argument "prize_ticks"; did you mean "price_ticks"?',
        'Revealed type is "gossipbook.accounts.order_state.OrderState | None"',
        'Revealed type is "gossipbook.trade.outcome.Certified"',
        'has incompatible type "str"; expected "Manifest | None"',
        'Revealed type is "dict[str, Any] | None"',
        'has no attribute "__enter__"',
    ):
        assert expected in told, told

"""Interpreters, virtual environments and compiled parts, all below `build/matching` and made once."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from engines.others import Other

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "matching"
HERE = (sys.version_info.major, sys.version_info.minor)
NEWER = [(3, minor) for minor in range(HERE[1] + 1, HERE[1] + 5)]


class Unavailable(Exception):
    """Something cannot be had on this machine; the text says why."""


def interpreter(wanted: tuple[int, int]) -> Path:
    """A Python of at least that version: this one if it will do, else the oldest newer one that is installed."""
    if wanted <= HERE:
        return Path(sys.executable)
    for version in NEWER:
        if version < wanted:
            continue
        name = f"python{version[0]}.{version[1]}"
        for path in (shutil.which(name), _pyenv(name)):
            if path and _says([path, "-c", "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"]) == name[6:]:
                return Path(path)
    raise Unavailable(f"needs Python {wanted[0]}.{wanted[1]} or newer, which is not installed")


def _pyenv(name: str) -> str | None:
    """The interpreter behind a pyenv shim that no environment selects."""
    versions = (_says(["pyenv", "whence", name]) or "").split()
    prefix = _says(["pyenv", "prefix", versions[0]]) if versions else None
    return f"{prefix}/bin/{name}" if prefix else None


def _says(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def installed(other: Other) -> Path:
    """The interpreter of a virtual environment that has the engine; made and filled when first asked for.

    Raises:
        Unavailable: with the installer's last word.
    """
    base = interpreter(other.python)
    version = _says([str(base), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    folder = BUILD / f"venv-{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        _run([str(base), "-m", "venv", str(folder)], "no virtual environment")
    stamp = folder / f"{other.requirement}.installed"
    wanted = "\n".join((other.requirement, *other.also))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {other.requirement} for Python {version}", file=sys.stderr, flush=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, other.requirement, *other.also], "not installed")
        stamp.write_text(wanted)
    return python


def compiled_loop(name: str = "loop") -> Path:
    """A folder with `compiled_loop`, a copy of a loop's module compiled with mypyc for this interpreter.

    Raises:
        Unavailable: without mypyc or a C compiler.
    """
    source = (Path(__file__).parent / f"{name}.py").read_text()
    digest = hashlib.sha256(f"{sys.version} {source}".encode()).hexdigest()[:12]
    folder = BUILD / f"loop-{digest}"
    if not list(folder.glob("compiled_loop.*.so")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "compiled_loop.py").write_text(source)
        _run([sys.executable, "-m", "mypyc", "compiled_loop.py"], "mypyc", cwd=folder)
    return folder


CALLGRIND_SWITCH = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop(void) { CALLGRIND_STOP_INSTRUMENTATION; CALLGRIND_DUMP_STATS; }
"""


def callgrind_switch() -> Path:
    """A library that lets a Python process start and stop the counting of its instructions.

    Raises:
        Unavailable: without valgrind, its headers or a C compiler.
    """
    if shutil.which("valgrind") is None:
        raise Unavailable("valgrind is not installed")
    digest = hashlib.sha256(CALLGRIND_SWITCH.encode()).hexdigest()[:12]
    library = BUILD / f"callgrind_switch-{digest}.so"
    if not library.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        source = BUILD / "callgrind_switch.c"
        source.write_text(CALLGRIND_SWITCH)
        _run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], "no C compiler")
    return library


def _run(command: list[str], what: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd)
    except OSError as error:
        raise Unavailable(f"{what}: {error}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{what}: not done after ten minutes") from None
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reasons = [line for line in lines if "error" in line.lower()] or lines or [f"exit code {done.returncode}"]
        raise Unavailable(f"{what}: {reasons[-1].strip()}")

"""What README and docs/ tell readers works as it is written: every block is run, in order, against real peers."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import tomli_w

from gossipbook.cli.app import app
from gossipbook.cli.lazy import LazyGroup
from gossipbook.cli.operate.config import load_config
from gossipbook.scenario.reading import parse_scenario

from .document import MINUTES, ROOT, Block, Reader, read_blocks, shell_lines

README_LINES_CAP = 150
OTHERWISE_TESTED = {"BOOKS.md", "PRIORITY.md", "SECURITY.md"}
DOCUMENTS = [ROOT / "README.md", *sorted(each for each in ROOT.glob("docs/*.md") if each.name not in OTHERWISE_TESTED)]
LANGUAGES = {"sh", "python", "toml", "text", ""}


def blocks_of(language: str) -> list[tuple[Path, Block]]:
    return [(each, block) for each in DOCUMENTS for block in read_blocks(each) if block.language == language]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES_CAP


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_works_as_it_is_written(document: Path, tmp_path: Path) -> None:
    blocks = read_blocks(document)
    assert {block.language for block in blocks} <= LANGUAGES
    reader = Reader(tmp_path)
    try:
        for block in blocks:
            reader.run(block)
    finally:
        reader.close()


@pytest.mark.parametrize(("document", "block"), blocks_of("toml"), ids=lambda each: getattr(each, "name", ""))
def test_a_file_is_one_that_its_loader_takes(document: Path, block: Block, tmp_path: Path) -> None:
    if "[[fault]]" in block.text:
        parse_scenario(block.text, document.name)
    else:
        (tmp_path / "config.toml").write_text(tomli_w.dumps(tomllib.loads(block.text)))
        load_config(tmp_path, {})


def test_what_is_too_long_to_run_is_right_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = [line for _, block in blocks_of("sh") for _, line in shell_lines(block) if MINUTES in line]
    assert found
    for line in found:
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = app
        context = click.Context(app)
        while isinstance(command, LazyGroup):
            inner = command.get_command(context, words.pop(0))
            assert inner is not None, line
            command = inner
        command.make_context(command.name, words)


def test_make_has_the_targets_that_the_documents_name() -> None:
    named = {
        line.split()[1] for _, block in blocks_of("sh") for _, line in shell_lines(block) if line.startswith("make")
    }
    assert {"demo", "test"} <= named
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [target for target in named if not re.search(rf"^{target}:", text, re.MULTILINE)] == []


def test_what_the_demonstration_installs_is_what_the_tests_run_on() -> None:
    """And nothing that only developers need."""
    locks = [(ROOT / name).read_text(encoding="utf-8") for name in ("requirements-peer.lock", "requirements.lock")]
    peer, everything = (set(re.findall(r"^[A-Za-z][^ #]*==[^ ]+$", text, re.MULTILINE)) for text in locks)
    assert peer < everything
    assert not {name.split("==")[0] for name in peer} & {"distributed", "hypothesis", "mypy", "pytest", "ruff"}


def test_links_lead_somewhere() -> None:
    for document in (*DOCUMENTS, *(ROOT / "docs" / name for name in OTHERWISE_TESTED), ROOT / "ARCHITECTURE.md"):
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            assert target.startswith("http") or (document.parent / target).exists(), f"{document.name}: {target}"

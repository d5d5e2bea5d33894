"""Read scenario files; an error names the line, and the nearest known key for an unknown one."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from gossipbook.errors import ScenarioError
from gossipbook.scenario.lines import line_of
from gossipbook.scenario.parts import (
    FAULTS,
    BudgetPart,
    ExpectPart,
    FaultPart,
    NetworkPart,
    WardenPart,
    WorkloadPart,
)
from gossipbook.scenario.rules import nearest
from gossipbook.scenario.scenario import Scenario

LISTS = ("warden", "fault")
"""Sections of which there may be any number."""

SECTIONS: dict[str, type] = {
    "network": NetworkPart,
    "workload": WorkloadPart,
    "warden": WardenPart,
    "fault": FaultPart,
    "expect": ExpectPart,
    "budget": BudgetPart,
}


def parse_scenario(text: str, name: str) -> Scenario:
    """Read a scenario.

    Raises:
        ScenarioError: with the file's name, the line, and the nearest right key where one is unknown.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # Too many digits and too deep a nesting are no TOMLDecodeError.
        raise ScenarioError(f"{name}: not TOML: {error}") from None
    reader = _Reader(text, name)
    for key in document:
        if key not in SECTIONS:
            raise reader.unknown(key, list(SECTIONS), section="", number=0)
    for key in LISTS:
        if not isinstance(document.get(key, []), list):
            raise ScenarioError(f"{name}: line {reader.line(key)}: write [[{key}]], there may be several")
    parts = {key: reader.part(key, document.get(key, {}), 0) for key in SECTIONS if key not in LISTS}
    faults = tuple(reader.fault(table, number) for number, table in enumerate(document.get("fault", [])))
    wardens = tuple(reader.warden(table, number) for number, table in enumerate(document.get("warden", [])))
    try:
        return Scenario(name=name, faults=faults, wardens=wardens, why=opening_comment(text), **parts)
    except ScenarioError as error:
        raise ScenarioError(f"{name}: {error}") from None


def opening_comment(text: str) -> str:
    """Return the comment that a scenario file opens with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines).strip()


class _Reader:
    """Turns tables into parts, and names the line in every error."""

    def __init__(self, text: str, name: str) -> None:
        self._lines = text.splitlines()
        self._name = name

    def part(self, section: str, table: object, number: int) -> Any:
        if not isinstance(table, Mapping):
            raise ScenarioError(f"{self._name}: line {self.line(section)}: [{section}] is a table")
        kind = SECTIONS[section]
        known = {f.name: f for f in fields(kind)}
        values = {}
        for key, value in table.items():
            if key not in known:
                raise self.unknown(key, list(known), section, number)
            default = known[key].default
            example = "" if default is MISSING else default
            values[key] = self._value(value, example, key, section, number)
        return kind(**values)

    def warden(self, table: object, number: int) -> WardenPart:
        if not isinstance(table, Mapping) or "state" not in table:
            raise ScenarioError(f"{self._name}: line {self.line('warden', number)}: a [[warden]] needs a state")
        read: WardenPart = self.part("warden", table, number)
        return read

    def fault(self, table: object, number: int) -> FaultPart:
        kind = table.get("kind") if isinstance(table, Mapping) else None
        if not isinstance(table, Mapping) or not isinstance(kind, str):
            raise ScenarioError(f"{self._name}: line {self.line('fault', number)}: a [[fault]] needs a kind")
        if kind not in FAULTS:
            line = self.line("fault", number, "kind")
            raise ScenarioError(f"{self._name}: line {line}: no fault {kind!r}{nearest(kind, list(FAULTS))}")
        known = ["kind", "at_s", "for_s", *FAULTS[kind]]
        for key in table:
            if key not in known:
                raise self.unknown(key, known, "fault", number)
        read: FaultPart = self.part("fault", table, number)
        return read

    def _value(self, value: object, example: object, key: str, section: str, number: int) -> object:
        try:
            return typed(value, example)
        except ValueError as error:
            where = self._where(section, number, key)
            raise ScenarioError(f"{self._name}: line {where}: {key} is {error}, not {value!r:.80}") from None

    def unknown(self, key: str, known: list[str], section: str, number: int) -> ScenarioError:
        where = self._where(section, number, key) if section else self.line(key)
        of = f"[{section}]" if section else "a scenario"
        return ScenarioError(f"{self._name}: line {where}: {of} has no key {key!r}{nearest(key, known)}")

    def _where(self, section: str, number: int, key: str) -> int:
        return self.line(section, number, key) if section in LISTS else self.line(section, key)

    def line(self, *path: str | int) -> int:
        return line_of(self._lines, path)


def typed(value: object, example: object) -> Any:
    """Return a value of its default's type; integers pass for fractions, and lists of two numbers for spans.

    Raises:
        ValueError: it is of another type; says which one it should be of.
    """
    if isinstance(example, tuple):
        if isinstance(value, list) and len(value) == 2 and all(_is_number(item) for item in value):
            return _fraction(value[0]), _fraction(value[1])
        raise ValueError("two numbers, least and most")
    if isinstance(example, float):
        if _is_number(value):
            return _fraction(value)
        raise ValueError("a number")
    if type(value) is not type(example):
        raise ValueError({bool: "true or false", int: "a whole number"}.get(type(example), "a text"))
    return value


def _fraction(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number of a reasonable size") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Reads typed values out of tables as TOML gives them, and refuses keys that nobody knows."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gossipbook.errors import ManifestError


def unknown_key(key: str, known: list[str], where: str) -> str:
    """The message for a key that nobody reads, with the nearest one that somebody does."""
    near = difflib.get_close_matches(key, known, 1)
    return f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else f"; known: {known}")


class Table:
    """Takes typed values out of a TOML table and complains about those that nobody took."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table, self._where = table, where
        self._known: list[str] = []

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        self._known.append(key)
        where = f"{self._where}.{key}" if self._where else key
        value = self._table.get(key, default)
        if value is None:
            near = difflib.get_close_matches(key, list(self._table), 1)
            raise ManifestError(f"{where}: missing" + (f"; is {near[0]!r} meant to be it?" if near else ""))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise ManifestError(f"{where}: expected {getattr(kind, '__name__', 'text or a list')}, not {value!r}")
        return value

    def finish(self) -> None:
        for key in self._table:
            if key not in self._known:
                raise ManifestError(unknown_key(key, self._known, self._where or "manifest"))


def read_flat(cls: type[Any], raw: object, where: str, defaults: object = None) -> Any:
    """A dataclass of integers and strings from a table of the same keys; what is not in it is as in ``defaults``."""
    if not isinstance(raw, dict):
        raise ManifestError(f"{where}: expected a table")
    table = Table(raw, where)
    values = {}
    for f in fields(cls):
        assert isinstance(f.type, type)
        default = f.default if defaults is None else getattr(defaults, f.name)
        values[f.name] = table.take(f.name, f.type, default if isinstance(default, int | str) else None)
    table.finish()
    return cls(**values)

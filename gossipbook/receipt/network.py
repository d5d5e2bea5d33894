"""A manifest out of its canonical form, as a receipt carries it."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gossipbook import cbor
from gossipbook.errors import DecodeError, ManifestError, VerifyError
from gossipbook.ids import PUBLIC_KEY_BYTES
from gossipbook.limits import Limits, Timing, limit_names
from gossipbook.manifest import MATCHERS_CAP, PAIRS_CAP, Manifest, Matcher, Pair

ADMISSION_CAP = 16_384
WARDENS_CAP = 1_024


def read_manifest(raw: bytes) -> Manifest:
    """The manifest whose canonical form this is.

    Raises:
        VerifyError: it is not sound, not epoch 0's, or not in canonical form.
    """
    try:
        manifest = _decode(raw)
    except (DecodeError, ManifestError) as error:
        raise VerifyError(f"the manifest is not sound: {error}") from None
    if manifest.epoch != 0:
        raise VerifyError(f"a manifest of epoch {manifest.epoch}; this build knows epoch 0")
    if manifest.canonical() != raw:
        raise VerifyError("the manifest is not in canonical form")
    return manifest


def _decode(raw: bytes) -> Manifest:
    name, epoch, rules, pairs, matchers, wardens, admission, size, faults, limits, timing = cbor.decode_array(raw, 11)
    return Manifest(
        name=cbor.check_text(name, "name", 64),
        epoch=cbor.check_uint(epoch, "epoch"),
        rules_version=cbor.check_uint(rules, "rules_version"),
        pairs=tuple(_row(Pair, row) for row in cbor.check_list(pairs, "pairs", PAIRS_CAP)),
        matchers=tuple(_matcher(row) for row in cbor.check_list(matchers, "matchers", MATCHERS_CAP)),
        wardens=_keys(wardens, "wardens", WARDENS_CAP),
        admission=None if admission is None else _keys(admission, "admission", ADMISSION_CAP),
        committee_size=cbor.check_uint(size, "committee_size"),
        fault_model=cbor.check_text(faults, "fault_model", 16),
        limits=_row(Limits, limits, limit_names(rules)),
        timing=_row(Timing, timing),
    )


def _row(cls: type[Any], row: object, names: Sequence[str] = ()) -> Any:
    """A dataclass of integers and text from some of its fields in order, or all; others are left to their defaults."""
    known = [field for field in fields(cls) if not names or field.name in names]
    values = cbor.check_list(row, cls.__name__.lower(), len(known))
    for field, value in zip(known, values, strict=False):
        if type(value) is not field.type:
            raise DecodeError(f"{cls.__name__.lower()}: {field.name} is not of its type")
    try:
        return cls(**{field.name: value for field, value in zip(known, values, strict=False)})
    except TypeError:
        raise DecodeError(f"{cls.__name__.lower()}: fields are missing") from None


def _matcher(row: object) -> Matcher:
    parts = cbor.check_list(row, "matcher", 3)
    if len(parts) != 3:
        raise DecodeError("matcher: expected a name, a key and an operator")
    name, key, operator = parts
    return Matcher(
        cbor.check_text(name, "matcher name", 256),
        cbor.check_bytes(key, "matcher key", PUBLIC_KEY_BYTES),
        cbor.check_text(operator, "operator", 256),
    )


def _keys(values: object, what: str, cap: int) -> tuple[bytes, ...]:
    return tuple(cbor.check_bytes(key, what, PUBLIC_KEY_BYTES) for key in cbor.check_list(values, what, cap))

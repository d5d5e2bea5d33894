"""Acks against the chain: what a peer acknowledged must be there.

The acks file is NDJSON, ``{"pair":symbol,"op_id":hex,"level":"durable"|"relayed"|"certified","height":n}`` a line;
``height`` may be left out and counts for ``certified`` alone; other keys are the writer's own. An op is lost if it
is not in the verified chain of its pair. Ops that certified evidence names are excused: an ack is void for an
equivocating author.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from gossipbook.audit.chain import Chain
from gossipbook.audit.export import MAX_LINE_BYTES
from gossipbook.audit.fields import Defect, hex_bytes, parse_json, uint
from gossipbook.audit.report import Report
from gossipbook.errors import VerifyError
from gossipbook.ids import DIGEST_BYTES

LEVELS = ("durable", "relayed", "certified")


def check_acks(path: str | os.PathLike[str], chains: Mapping[str, Chain], report: Report) -> None:
    """Hold every ack in a file against the chains that were followed."""
    seen: dict[tuple[str, bytes], bool] = {}  # whether it is lost
    try:
        with Path(path).open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES):
                number += 1
                try:
                    _check_ack(raw, chains, report, seen)
                except Defect as defect:
                    cut = "" if raw.endswith(b"\n") else ", which is cut off before its end"
                    report.add(f"{path} line {number}{cut}: {defect}")
    except OSError as error:
        raise VerifyError(f"cannot read {path}: {error.strerror}") from None
    report.acked_ops = len(seen)
    report.acked_ops_lost = sum(seen.values())


def _check_ack(raw: bytes, chains: Mapping[str, Chain], report: Report, seen: dict[tuple[str, bytes], bool]) -> None:
    table = parse_json(raw)
    if type(table) is not dict:
        raise Defect("expected an object")
    pair, level, acked_height = table.get("pair"), table.get("level"), table.get("height")
    op_id = hex_bytes(table.get("op_id"), "op_id", DIGEST_BYTES)
    if type(pair) is not str or level not in LEVELS:
        raise Defect("expected a pair and a level: durable, relayed or certified")
    if acked_height is not None:
        uint(acked_height, "height")
    name = f"acked op {op_id.hex()[:10]} of {pair}"
    chain = chains.get(pair)
    height = None if chain is None else chain.op_heights.get(op_id)
    if height is None and chain is not None and op_id in chain.voided:
        seen[pair, op_id] = False
        return
    if height is None and not seen.get((pair, op_id)):
        where = "no export of the pair was given" if chain is None else "it is not in the certified chain"
        report.add(f"{name} ({level}) is lost: {where}")
    elif height is not None and level == "certified" and acked_height not in (None, height):
        report.add(f"{name} was acked at height {acked_height} and is at height {height}")
    seen[pair, op_id] = height is None

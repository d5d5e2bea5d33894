"""What the served description says is held to what the gateway does, by a program that tries what it says."""

import subprocess
import sys
from pathlib import Path

from .live import Live

EXAMPLES = 15
WITHIN_S = 240


def test_the_description_is_true(live: Live, tmp_path: Path) -> None:
    """No answer above 499, none that is not described. What is well-formed may be refused: an order has more rules."""
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{live.url}/v1/openapi.json"]
    options = ["-H", f"Authorization: Bearer {live.token('alice')}", "--max-examples", str(EXAMPLES), "--seed", "1"]
    checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    done = subprocess.run(
        [*command, *options, *checks], capture_output=True, text=True, timeout=WITHIN_S, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-4_000:]


def test_each_action_and_channel_is_described(live: Live) -> None:
    described = live.get("/v1/openapi.json")
    assert described["openapi"].startswith("3.1")
    assert {"/v1/order", "/v1/orders", "/v1/statement", "/v1/receipt", "/v1/op"} <= set(described["paths"])
    stream = live.get("/v1/asyncapi.json")
    assert stream["asyncapi"] == "3.0.0"
    messages = stream["components"]["messages"]
    assert {"do_place", "do_cancel", "do_subscribe", "BookUpdate", "AccountUpdate", "Lagged"} <= set(messages)
    schemas = stream["components"]["schemas"]
    for message in messages.values():
        payload = message["payload"]
        name = payload["$ref"] if "$ref" in payload else payload["allOf"][1]["$ref"]
        assert name.rpartition("/")[2] in schemas

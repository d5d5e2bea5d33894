"""What strangers may try at the gateway: it is refused or bounded, and honest users are served meanwhile."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gossipbook.gateway.settings import BODY_CAP, KEY_REQUESTS_BURST, REQUESTS_BURST

from .live import PAIR, Live, live_network, until

IDLE = 500


@pytest.fixture(scope="module")
def target() -> Iterator[Live]:
    """A network of its own: some of this leaves this machine's address in ill repute for a while."""
    with live_network("--ops-per-s", "0") as live:
        yield live


def address(live: Live) -> tuple[str, int]:
    host, _, port = live.url.partition("://")[2].partition(":")
    return host, int(port)


@contextmanager
def raw(live: Live) -> Iterator[socket.socket]:
    with socket.create_connection(address(live), timeout=30) as connection:
        yield connection


def said(connection: socket.socket) -> bytes:
    """All that is said until the end."""
    parts = b""
    try:
        while part := connection.recv(65_536):
            parts += part
    except ConnectionResetError:
        pass
    return parts


def request(live: Live, head: str, body: bytes = b"") -> bytes:
    with raw(live) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"connection: close\r\n\r\n" + body)
        return said(connection)


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def test_a_name_that_is_not_the_gateways_is_refused(target: Live) -> None:
    """DNS rebinding: a page of another site has its name point here, and its browser names that site."""
    for host in ("evil.example", "evil.example:80", "localhost.evil.example:7480", ""):
        answer = request(target, f"GET /v1/time HTTP/1.1\nhost: {host}\n")
        assert status(answer) in (400, 421), answer
    host, port = address(target)
    for name in (f"{host}:{port}", f"localhost:{port}"):
        assert status(request(target, f"GET /v1/time HTTP/1.1\nhost: {name}\n")) == 200


def test_pages_of_other_sites_are_refused(target: Live) -> None:
    host, port = address(target)
    for path in ("/v1/time", "/api/v3/time", "/"):
        answer = target.call("GET", path, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    assert target.call("GET", "/v1/time", headers={"origin": target.url}).status_code == 200
    assert target.call("GET", "/v1/time", headers={"origin": "null"}).status_code == 403
    for origin, expected in (("https://evil.example", 403), (target.url, 101)):
        upgrade = f"GET /v1/stream HTTP/1.1\nhost: {host}:{port}\norigin: {origin}\nupgrade: websocket\n"
        upgrade += "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\nsec-websocket-version: 13\n"
        with raw(target) as connection:
            connection.sendall((upgrade + "connection: upgrade\n\n").replace("\n", "\r\n").encode())
            assert status(connection.recv(4_096)) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/page/../../../etc/passwd",
        "/page/..%2f..%2f..%2fetc/passwd",
        "/page/%2e%2e/__init__.py",
        "/page//etc/passwd",
        "/page/..\\..\\secret",
        "/page/vendor/",
        "//etc/passwd",
    ],
)
def test_nothing_but_the_page_is_read_from_disk(target: Live, path: str) -> None:
    host, port = address(target)
    answer = request(target, f"GET {path} HTTP/1.1\nhost: {host}:{port}\n")
    assert status(answer) == 404, answer
    assert b"root:" not in answer


def test_what_is_too_large_is_refused(target: Live) -> None:
    host, port = address(target)
    head = f"POST /v1/op HTTP/1.1\nhost: {host}:{port}\ncontent-type: application/json\n"
    assert status(request(target, f"{head}content-length: {BODY_CAP + 1}\n")) == 413
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with raw(target) as connection:
        connection.sendall((head + "transfer-encoding: chunked\n\n").replace("\n", "\r\n").encode())
        connection.sendall(chunk * 4)
        assert status(connection.recv(4_096)) == 413
    many = "".join(f"x-{number}: {'y' * 4_000}\n" for number in range(40))
    answer = request(target, f"GET /v1/time HTTP/1.1\nhost: {host}:{port}\n{many}")
    assert not answer or status(answer) in (400, 431), answer[:200]
    deep = ("[" * 50_000).encode()
    assert status(request(target, f"{head}content-length: {len(deep)}\n", deep)) in (400, 422)


def test_a_slow_body_is_given_up(target: Live) -> None:
    host, port = address(target)
    head = f"POST /v1/op HTTP/1.1\nhost: {host}:{port}\ncontent-type: application/json\ncontent-length: 100\n\n"
    with raw(target) as connection:
        began_s = time.monotonic()
        connection.sendall(head.replace("\n", "\r\n").encode() + b"{")
        assert status(connection.recv(4_096)) == 408
        assert time.monotonic() - began_s < 15


def test_idle_connections_are_ended_and_honest_users_served(target: Live) -> None:
    idle = [socket.create_connection(address(target), timeout=30) for _ in range(IDLE)]
    try:
        half = idle[0]
        half.sendall(b"GET /v1/time HTTP/1.1\r\nhost: ")
        assert target.place("alice", "buy", "10.00", "1")["progress"] == "certified"
        assert target.call("GET", "/v1/book", params={"pair": PAIR}).status_code == 200
        assert all(said(each) == b"" for each in (idle[1], idle[-1], half)), "they are closed"
    finally:
        for each in idle:
            each.close()


def test_sockets_and_requests_of_strangers_are_counted(target: Live) -> None:
    answers = (target.call("GET", "/v1/time") for _ in range(20 * REQUESTS_BURST))
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too-many-requests"
    assert target.call("GET", "/v1/account", "alice").status_code == 200, "whoever has a key is counted by that"
    assert KEY_REQUESTS_BURST > REQUESTS_BURST
    until(lambda: target.call("GET", "/v1/time").status_code == 200, "the stranger's turn")


def test_guessing_a_key_is_slowed_down(target: Live) -> None:
    """Last, as this address is suspected for a while after it; right keys are refused meanwhile, too."""
    key_id = target.accounts["alice"]["key"]
    answers = []
    for number in range(60):
        token = f"{key_id}.{number:043}" if number % 2 else f"nobody{number}.{number:043}"
        answers.append(target.call("GET", "/v1/account", headers={"authorization": f"Bearer {token}"}))
    assert {answer.status_code for answer in answers} == {401, 429}
    wrong = {answer.json()["detail"] for answer in answers if answer.status_code == 401}
    assert len(wrong) == 1, "what was wrong of it is not told"
    signed = target.http.get(
        "/api/v3/account", headers={"x-mbx-apikey": key_id}, params={"timestamp": "1", "signature": "x"}
    )
    assert json.loads(signed.text)["code"] in (-1003, -1021, -1022)

"""The page in a real browser: it moves, it tells takeovers and lost quorums, it trades, and it mends itself."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from .conftest import need
from .live import PAIR, Live, live_network, until
from .node import node_module

STATIC = files("gossipbook.gateway.page") / "static"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need("chromium", "chromedriver")
    options = Options()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1100"):
        options.add_argument(argument)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def shown() -> Iterator[Live]:
    """A network that trades a little, and that these tests may break."""
    with live_network("--ops-per-s", "20") as live:
        yield live


def opened(browser: Any, live: Live) -> Any:
    browser.get(f"{live.url}/#{PAIR}")
    until(lambda: "Certifying" in text(browser, "#readiness"), "the page's first word")
    return browser


def text(browser: Any, selector: str) -> str:
    """What is shown; empty while it is drawn anew."""
    script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''"
    found = browser.execute_script(script, selector)
    return str(found)


def number(browser: Any, selector: str) -> int:
    return int(text(browser, selector).replace(",", "") or -1)


def test_it_is_served_whole_and_strictly() -> None:
    """What is vendored is what its checksums say; nothing else is loaded from anywhere."""
    sums = (STATIC / "vendor" / "SHA256SUMS").read_text().split()
    for digest, name in zip(sums[::2], sums[1::2], strict=True):
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name
    assert "MIT" in (STATIC / "vendor" / "LICENSES.txt").read_text()
    for file in STATIC.iterdir():
        if file.is_file():
            assert "http://" not in file.read_text().replace("http://www.w3.org/2000/svg", ""), file
            assert "https://" not in file.read_text(), file


def test_the_policy_lets_nothing_else_in(shown: Live) -> None:
    answer = shown.call("GET", "/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    again = shown.call("GET", "/", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_book_moves_and_the_console_is_silent(browser: Any, shown: Live) -> None:
    page = opened(browser, shown)
    first = until(lambda: number(page, "#sequence") > 0 and number(page, "#sequence"), "a book")
    until(lambda: number(page, "#sequence") > first + 3, "its steps")
    rows = page.execute_script("return document.querySelectorAll('.ladder tr.bid, .ladder tr.ask').length")
    assert rows > 4
    assert page.execute_script("return document.querySelectorAll('canvas').length") == 2
    assert text(page, "#resyncs") == "0"
    assert [row for row in page.get_log("browser") if row["level"] == "SEVERE"] == []


def test_it_draws_at_most_ten_times_a_second(browser: Any, shown: Live) -> None:
    page = opened(browser, shown)
    count = """
        const done = arguments[arguments.length - 1];
        let changes = 0, last = '';
        const look = new MutationObserver(() => {
            const now = document.querySelector('#sequence').innerText;
            if (now !== last) { last = now; changes += 1; }
        });
        look.observe(document.body, { subtree: true, childList: true, characterData: true });
        setTimeout(() => { look.disconnect(); done(changes); }, 2000);
    """
    assert page.execute_async_script(count) <= 21


def test_an_order_is_placed_and_cancelled_by_keyboard(browser: Any, shown: Live) -> None:
    page = opened(browser, shown)
    token = page.find_element(By.CSS_SELECTOR, ".login input")
    token.send_keys(shown.token("alice"), Keys.ENTER)
    until(lambda: "Trading as alice" in text(page, ".trade"), "the account")
    qty, price = page.find_elements(By.CSS_SELECTOR, ".ticket input[inputmode=decimal]")
    qty.send_keys("3")
    price.send_keys("500.25", Keys.ENTER)
    until(lambda: "certified in block" in text(page, ".ticket .told"), "the order's word")
    until(lambda: "500.25" in text(page, ".own"), "the order in the list")
    assert shown.get("/v1/orders", "alice", pair=PAIR, only_open=True)["orders"][0]["price"] == "500.25"
    page.find_element(By.CSS_SELECTOR, ".own button").send_keys(Keys.ENTER)
    until(lambda: "none" in text(page, ".own"), "its end")
    assert shown.get("/v1/orders", "alice", pair=PAIR, only_open=True)["orders"] == []
    assert page.execute_script("return localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_a_gap_leads_to_a_new_book(browser: Any, shown: Live) -> None:
    """One message of the socket is lost on its way to the page."""
    page = opened(browser, shown)
    lose = """
        const take = WebSocket.prototype.__lookupSetter__('onmessage');
        let lost = false;
        Object.defineProperty(WebSocket.prototype, 'onmessage', { set(handler) {
            take.call(this, (event) => {
                if (!lost && event.data.includes('"channel":"book","type":"update"')) { lost = true; return; }
                handler(event);
            });
        } });
    """
    page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": lose})
    page.refresh()
    until(lambda: number(page, "#resyncs") == 1, "a new book")
    sequence = number(page, "#sequence")
    until(lambda: number(page, "#sequence") > sequence, "its steps")
    assert "updates were missing" in text(page, ".log")


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1000, "dark"), (390, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(browser: Any, shown: Live, width: int, scheme: str) -> None:
    axe = node_module("axe-core") / "axe.min.js"
    size = {"width": width, "height": 1_200, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page = opened(browser, shown)
    until(lambda: number(page, "#sequence") > 0, "a book")
    page.execute_script(axe.read_text(encoding="utf-8"))
    found = page.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    serious = [(row["id"], row["nodes"][0]["html"]) for row in found["violations"]]
    assert serious == []
    wide = page.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "the page is wider than the screen"
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_takeover_and_lost_quorum_are_told(browser: Any, shown: Live) -> None:
    """Last, as it breaks the network."""
    page = opened(browser, shown)
    leader = text(page, "#readiness").partition("led by ")[2].split(" ")[0]
    os.kill(shown.peers[leader]["pid"], signal.SIGKILL)
    until(lambda: f"{PAIR}: takeover" in text(page, ".log"), "the takeover")
    until(lambda: "3 of 4 members there" in text(page, "#readiness"), "who is missing")
    other = next(name for name in shown.peers if name != leader)
    os.kill(shown.peers[other]["pid"], signal.SIGKILL)
    until(lambda: "No quorum" in text(page, "#readiness"), "the lost quorum")
    shown.kill_gateway()
    until(lambda: "No connection to the gateway" in text(page, "#readiness"), "the lost gateway")
    shown.start_gateway()
    until(lambda: "No quorum" in text(page, "#readiness"), "the gateway's return")


def test_the_wheel_contains_the_page(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path)]
    environment = os.environ | {"GOSSIPBOOK_PURE": "1"}
    subprocess.run([*command, str(root)], check=True, capture_output=True, timeout=300, env=environment)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        meta = next(name for name in inside if name.endswith("METADATA"))
        needed = [line for line in archive.read(meta).decode().splitlines() if line.startswith("Requires-Dist")]
    for file in ("index.html", "main.js", "vendor/uplot.js", "vendor/LICENSES.txt"):
        assert f"gossipbook/gateway/page/static/{file}" in inside
    plain = {line.split()[1].split(">")[0] for line in needed if "extra ==" not in line}
    assert plain == {
        *("trio", "trio-websocket", "kademlia", "trio-asyncio", "cbor2", "PyNaCl", "cryptography", "sortedcontainers")
    }

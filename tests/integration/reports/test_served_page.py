"""The report that the background role serves: read-only, for this machine's browser alone, made anew when asked for."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser
from tests.verdict_objects import NOW, hostile, shop
from tidegate.errors import UndeterminedError
from tidegate.reports.model import Inventory
from tidegate.reports.read import read_inventory
from tidegate.webhook import report_page
from tidegate.webhook.report_page import ADDRESS, report_listener

WAIT_SECONDS = 60


class Site:
    """The page on a port of its own, in a thread with its own event loop; ``objects`` are the verdicts of the cluster."""

    def __init__(self) -> None:
        self.objects = shop()
        self.reads = 0
        self.outage = False
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS)

    async def read(self) -> Inventory:
        self.reads += 1
        # Others may ask meanwhile.
        await asyncio.sleep(0.05)
        if self.outage:
            raise UndeterminedError("GET /apis: secret-host.example did not answer")
        return read_inventory(self.objects)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._end = asyncio.Event()
        listener = report_listener(self.read, now=lambda: NOW)
        await listener.start(ADDRESS, 0)
        self.port = listener.port
        self._ready.set()
        await self._end.wait()
        await listener.drain(0.2)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(WAIT_SECONDS)

    def ask(
        self, path: str = "/", *, method: str = "GET", host: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=WAIT_SECONDS)
        try:
            connection.request(method, path, headers={} if host is None else {"Host": host})
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def test_the_page_and_its_json_are_served(site: Site) -> None:
    status, headers, body = site.ask()
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"6 workloads would be refused" in body
    status, headers, body = site.ask("/report.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["wouldBeRefused"]["workloads"] == 6


@pytest.mark.parametrize("path", ["/", "/report.json"])
def test_answers_are_not_kept_framed_or_read_by_others(site: Site, path: str) -> None:
    _, headers, _ = site.ask(path)
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith("sandbox")


def test_the_policy_of_the_page_forbids_frames(site: Site) -> None:
    assert "frame-ancestors 'none'" in site.ask()[1]["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_get_is_answered(site: Site, method: str) -> None:
    assert site.ask(method=method)[0] == 405
    assert site.reads == 0


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/../etc/passwd", "//", "/report.html"])
def test_there_is_nothing_else(site: Site, path: str) -> None:
    assert site.ask(path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8081", 200),
        ("LOCALHOST:8081", 200),
        ("127.0.0.1:8081", 200),
        ("[::1]:8081", 200),
        ("[::1]", 200),
        ("attacker.example", 421),
        ("attacker.example:8081", 421),
        ("localhost.attacker.example", 421),
        ("127.0.0.1.attacker.example", 421),
        ("localhost:80:80", 421),
        ("", 421),
        ("10.0.0.7:8081", 421),
    ],
)
def test_a_site_that_lets_its_name_mean_this_machine_reads_nothing(site: Site, host: str, status: int) -> None:
    """DNS rebinding: the browser sends the name of the attacker's site."""
    found, _, body = site.ask(host=host)
    assert found == status
    assert (b"shop" in body) is (status == 200)


def test_verdicts_are_read_anew_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert b"6 workloads would be refused" in site.ask()[2]
    site.objects = shop()[5:6]
    assert b"6 workloads would be refused" in site.ask()[2]
    assert site.reads == 1
    monkeypatch.setattr(report_page, "KEPT_SECONDS", 0.0)
    other = Site()
    try:
        assert b"6 workloads would be refused" in other.ask()[2]
        other.objects = shop()[5:6]
        assert b"0 workloads would be refused" in other.ask()[2]
    finally:
        other.close()


def test_requests_that_come_together_share_one_reading(site: Site) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(site.ask()[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert found == [200] * 8
    assert site.reads == 1


def test_an_outage_is_said_without_its_cause_and_ends(site: Site) -> None:
    site.outage = True
    status, headers, body = site.ask()
    assert status == 503
    assert b"secret-host" not in body
    assert headers["cache-control"] == "no-store"
    site.outage = False
    assert site.ask()[0] == 200


def test_a_browser_shows_it(site: Site, tmp_path: Path) -> None:
    """With the policy of the header, which forbids more than that of the file."""
    site.objects = [*shop(), *hostile()]
    address = f"http://127.0.0.1:{site.port}/"
    with Browser(tmp_path / "profile") as browser, browser.page(address, width=1280, height=900) as page:
        assert page.violations() == []
        assert [one for one in page.requests if not one.endswith("/favicon.ico")] == [address]
        assert page.run("document.title").startswith("tidegate report:")
        assert page.run("getComputedStyle(document.querySelector('dd.refused')).color") == "rgb(180, 35, 24)"
        assert page.run("document.querySelectorAll('script, img').length") == 0

"""A real headless Chromium for tests of pages, driven by the Chrome DevTools Protocol over a pipe.

It has no way out: no host name resolves, and a page's requests are recorded. Chromium is Debian's package; see
tests/cluster/toolchain/packages.py.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.cluster.toolchain.packages import BROWSER_PACKAGE, BROWSERS
from tests.prerequisites import require

ANSWER_SECONDS = 120.0
"""A busy machine is given time."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
WATCH = """
window.__violations = [];
addEventListener('securitypolicyviolation', e => __violations.push(e.violatedDirective + ' ' + e.blockedURI));
"""
"""Runs before the page: the page's own policy does not bind it."""


def find_browser() -> Path | None:
    """Return the browser of this machine, or None."""
    return next((Path(found) for name in BROWSERS if (found := shutil.which(name))), None)


def require_browser() -> Path:
    """Return the browser; skip the test without one, or fail it where CI is set."""
    found = find_browser()
    require("browser", "" if found else f"apt-get install {BROWSER_PACKAGE}")
    assert found
    return found


@dataclass(kw_only=True)
class Page:
    """One page at one size, and what it did: requests, messages of its console, violations of its policy."""

    browser: Browser
    session: str
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def run(self, expression: str) -> Any:
        """Return what an expression in JavaScript evaluates to."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.browser.call("Runtime.evaluate", asked, session=self.session)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def violations(self) -> list[str]:
        """Return what the page's Content Security Policy refused."""
        found: list[str] = self.run("window.__violations")
        return found

    def picture(self) -> bytes:
        """Return the page, as far as the window shows it, as a PNG."""
        asked = {"format": "png", "optimizeForSpeed": False}
        return base64.b64decode(self.browser.call("Page.captureScreenshot", asked, session=self.session)["data"])

    def accessibility(self) -> list[tuple[str, str]]:
        """Return role and name of what assistive technology sees, in order."""
        nodes = self.browser.call("Accessibility.getFullAXTree", {}, session=self.session)["nodes"]
        seen = [one for one in nodes if not one["ignored"]]
        return [(one["role"]["value"], str(one.get("name", {}).get("value", ""))) for one in seen]


class Browser:
    """A running browser; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        program = require_browser()
        down, self._write = os.pipe()
        self._read, up = os.pipe()
        command = [str(program), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        # The protocol's pipe has the file descriptors 3 and 4.
        script = f'exec "$@" 3<&{down} 4>&{up}'
        with (folder.parent / f"{folder.name}.log").open("w") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "bash", *command],
                pass_fds=(down, up),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(down)
        os.close(up)
        self._number = 0
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._pages: dict[str, Page] = {}
        self._loaded: set[str] = set()
        self._reader = threading.Thread(target=self._receive, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(10)
        os.close(self._read)

    def call(self, method: str, parameters: dict[str, Any], *, session: str = "") -> dict[str, Any]:
        """Call a method of the protocol and return its result; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._answers.get(timeout=ANSWER_SECONDS)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    @contextmanager
    def page(self, address: str, *, width: int, height: int, dark: bool = False) -> Iterator[Page]:
        """Open a page in a window of this size and wait until it is loaded."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self._pages[session] = Page(browser=self, session=session)
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            self.call(f"{domain}.enable", {}, session=session)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", size, session=session)
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", {"features": theme}, session=session)
        self.call("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH}, session=session)
        answer = self.call("Page.navigate", {"url": address}, session=session)
        assert "errorText" not in answer, answer
        while session not in self._loaded:
            self._note(self._answers.get(timeout=ANSWER_SECONDS))
        yield page
        del self._pages[session]
        self.call("Target.closeTarget", {"targetId": target})

    def _note(self, event: dict[str, Any]) -> None:
        page = self._pages.get(event.get("sessionId", ""))
        if page is None:
            return
        parameters = event["params"]
        match event["method"]:
            case "Page.loadEventFired":
                self._loaded.add(page.session)
            case "Network.requestWillBeSent":
                page.requests.append(parameters["request"]["url"])
            case "Log.entryAdded":
                page.messages.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                page.messages.append(json.dumps(parameters))
            case "Page.javascriptDialogOpening":
                page.messages.append(f"dialog: {parameters['message']}")

    def _receive(self) -> None:
        data = b""
        while chunk := os.read(self._read, 1 << 20):
            data += chunk
            *messages, data = data.split(b"\0")
            for message in messages:
                self._answers.put(json.loads(message))

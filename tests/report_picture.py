"""The picture of the report in docs/guides/report.md: ``make report-picture`` takes it anew in a real Chromium.

The picture carries the hash of the page that it shows, so that a test tells when the page has changed since.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import tempfile
import zlib
from pathlib import Path

from tests.browser import Browser
from tests.verdict_objects import NOW, shop
from tidegate.reports.html_page import render_page
from tidegate.reports.read import read_inventory
from tidegate.reports.summary import summarize

PICTURE = Path(__file__).parents[1] / "docs" / "guides" / "report.png"
SIZE = (1100, 1180)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = len(_SIGNATURE) + 25


def page() -> str:
    """Return the page that the picture shows."""
    inventory = read_inventory(shop())
    return render_page(summarize(inventory), inventory, now=NOW)


def note(text: str) -> bytes:
    """Return a text of a PNG that says which page it shows (PNG specification, chunk tEXt)."""
    data = b"tEXt" + b"Source\0" + hashlib.sha256(text.encode()).hexdigest().encode()
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def main() -> int:
    """Take the picture."""
    shown = page()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "report.html"
        file.write_text(shown, encoding="utf-8")
        with (
            Browser(Path(name) / "profile") as browser,
            browser.page(file.as_uri(), width=SIZE[0], height=SIZE[1]) as opened,
        ):
            taken = opened.picture()
    PICTURE.write_bytes(taken[:_HEADER_BYTES] + note(shown) + taken[_HEADER_BYTES:])
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The documentation builds as a site: every page has its place, every link and every anchor leads somewhere."""

import os
import subprocess
import sys
from pathlib import Path

from tests.distribution import patient

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder), *arguments],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=patient(120),
        check=False,
    )


def test_it_builds_without_a_warning(tmp_path):
    done = build(tmp_path / "site", "--strict")
    assert (done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("INFO")]) == (0, [])
    page = (tmp_path / "site" / "concepts" / "signatures" / "index.html").read_text()
    assert "referrers/search.py" in page
    assert "controller/tidegate" not in page, "a link that leaves the site"


def test_a_broken_link_or_anchor_is_an_error(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# A\n\n[b](b.md) and [c](#c)\n")
    config = tmp_path / "mkdocs.yml"
    rules = (ROOT / "mkdocs.yml").read_text().partition("\nvalidation:\n")[2].partition("\nnav:\n")[0]
    config.write_text(f"site_name: a\nvalidation:\n{rules}\n")
    done = build(tmp_path / "site", "--strict", "--config-file", str(config))
    assert done.returncode != 0
    assert "b.md" in done.stderr
    assert "#c" in done.stderr

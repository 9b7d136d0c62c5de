"""A hook of mkdocs: links to files outside ``docs`` work in the repository and not on the site, so their text remains."""

import re
from typing import Any

OUTSIDE = re.compile(
    r"\[(?P<text>[^\]]+)\]\((?:\.\./)+(?:controller|deploy|tests|README|CHANGELOG|CONTRIBUTING|SECURITY)[^)]*\)"
)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page's text without links that leave the folder ``docs``."""
    return OUTSIDE.sub(lambda found: found["text"], markdown)

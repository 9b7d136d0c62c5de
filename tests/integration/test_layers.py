"""The decision on the layers between the reviewer and AWS lists those that a look-up really goes through."""

import re
from pathlib import Path

from tests.bench import walk

PAGE = Path(__file__).resolve().parents[2] / "docs/adr/0008-layers-to-aws.md"


def test_the_table_lists_the_layers_of_a_look_up():
    listed = re.findall(r"^\| `(\S+)` \|", PAGE.read_text(), re.MULTILINE)
    found = [code.co_qualname for code in walk.layers().of_calls["DescribeImages"]]
    assert found == listed
    assert f"passes {len(found)} functions" in PAGE.read_text()

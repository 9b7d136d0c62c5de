"""The reference page of ImageVerdicts explains every field, with the bounds that hold."""

import re
from pathlib import Path

from tests.unit.policy import schema
from tidegate.verdicts import shape

PAGE = (Path(__file__).parents[3] / "docs/reference/imageverdict.md").read_text()
SPEC, STATUS = PAGE.split("## Status")


def rows(text: str) -> dict[str, str]:
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, re.MULTILINE)
    assert len(found) == len(dict(found))
    return dict(found)


def fields(section: str) -> set[str]:
    walked = schema.walk(schema.IMAGE_VERDICT["properties"][section], section)
    return {path.removeprefix(f"{section}.") for path, _ in walked if path != section and path[-2:] not in ("[]", "{}")}


def test_every_field_has_a_row_and_every_row_a_field():
    assert set(rows(SPEC)) == fields("spec")
    assert set(rows(STATUS)) == fields("status")


def test_the_bounds_are_those_of_the_schema():
    told = {name: int(found[1]) for name, text in rows(STATUS).items() if (found := re.search(r"at most (\d+)", text))}
    walked = schema.walk(schema.IMAGE_VERDICT["properties"]["status"], "status")
    bounds = {path.removeprefix("status."): crd["maxItems"] for path, crd in walked if "maxItems" in crd}
    assert told == {name: bounds[name] for name in told}
    assert set(bounds) - set(told) == {"policies[].actions", "findings"}
    assert bounds["findings"] == shape.MAX_SHOWN_FINDINGS == 3

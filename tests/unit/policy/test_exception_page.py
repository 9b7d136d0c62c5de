"""The reference page of exceptions: its examples are exceptions, and its states and numbers are the program's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.cluster import exception_objects
from tidegate.cluster import exceptions as watched
from tidegate.cluster.exception_events import REASON
from tidegate.policy import exceptions
from tidegate.policy.exception_object import parse_exception
from tidegate.policy.exceptions import ExceptionState

PAGE = (Path(__file__).parents[3] / "docs/reference/imagepolicyexception.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


def test_every_state_has_a_row():
    status = PAGE.partition("## Status")[2]
    assert re.findall(r"^\| `(\w+)` \| (?:True|False) \|", status, re.MULTILINE) == [
        one.value for one in ExceptionState
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["kind"])
def test_the_example_is_an_exception(example):
    assert parse_exception(example, example["kind"]).name == example["metadata"]["name"]


def test_there_is_an_example_of_each_kind():
    assert [one["kind"] for one in EXAMPLES] == ["ImagePolicyException", "NamespacedImagePolicyException"]


def test_the_numbers_are_the_program_s():
    text = " ".join(PAGE.split())
    for words in (
        f"| in force at once | {exceptions.MAX_CLUSTER_EXCEPTIONS} | {exceptions.MAX_EXCEPTIONS_OF_NAMESPACE} in a namespace",
        f", {exceptions.MAX_NAMESPACED_EXCEPTIONS} in all namespaces |",
        f"| none | {exceptions.MAX_PATTERNS_OF_NAMESPACE} in a namespace |",
        f"| {watched.MAX_KEPT_OF_CLUSTER} | {watched.MAX_KEPT_OF_NAMESPACE} in a namespace |",
        f"up to {exception_objects.MAX_SPEC_BYTES} bytes of JSON",
        f"at most {exceptions.MAX_LIFETIME.days} days after its creation",
        f"{exceptions.NOTICE.total_seconds() / 3600:.0f} hours before the end, or when a tenth of its life is left",
        f"an Event `{REASON}`",
    ):
        assert words in text, words
    assert watched.MAX_AGE_SECONDS == 3600
    assert exceptions.NOTICE_FRACTION == 10

"""How a reference is written with its tag and a digest."""

import pytest

from tests.unit.admission.pinned import PINNED_TAG
from tests.unit.builders import (
    DIGEST,
    HOST,
    IMAGE,
    PINNED,
)
from tidegate.admission.pinning import pinned_reference


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (IMAGE, IMAGE),
        (f"{HOST}/team/app", f"{HOST}/team/app:latest"),
        (f"{HOST}:443/team/app", f"{HOST}:443/team/app:latest"),
        (f"{HOST}:443/team/app:v1", f"{HOST}:443/team/app:v1"),
        ("nginx", "nginx:latest"),
        ("nginx:1.27", "nginx:1.27"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
    ],
)
def test_the_tag_is_written_before_the_digest(text, written):
    assert pinned_reference(text, DIGEST) == f"{written}@{DIGEST}"


@pytest.mark.parametrize("text", ["", PINNED, PINNED_TAG, f"{HOST}/Team:1", f"{HOST}:80/app:v1", "a" * 64, "x" * 2000])
def test_what_is_no_reference_by_tag_alone_is_not_pinned(text):
    assert pinned_reference(text, DIGEST) is None


def test_a_reference_that_would_become_too_long_is_not_pinned():
    long = "a" * 63
    text = f"{'.'.join([long] * 12)}/{'b' * 200}:v1"
    assert len(text) < 1024
    assert pinned_reference(text, DIGEST) is None

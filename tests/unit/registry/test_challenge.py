"""What a registry says of how it wants to be asked."""

import pytest

from tidegate.registry.challenge import MAX_CHARACTERS, Challenge, read_challenge


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            ['Bearer realm="https://auth.example.com/token",service="reg",scope="repository:x:pull"'],
            Challenge(realm="https://auth.example.com/token", service="reg"),
        ),
        (['bearer service=reg, realm="https://a/t"'], Challenge(realm="https://a/t", service="reg")),
        (['Bearer realm="https://a/t"'], Challenge(realm="https://a/t")),
        (['Basic realm="registry"'], Challenge(realm=None)),
        (['Basic realm="r", Bearer realm="https://a/t",service="s"'], Challenge(realm="https://a/t", service="s")),
        (['Basic realm="r"', 'Bearer realm="https://a/t"'], Challenge(realm="https://a/t")),
        (['Bearer realm="https://a/t",realm="https://b/t"'], Challenge(realm="https://a/t")),
        (["Bearer service=x"], None),
        (['Negotiate realm="x"'], None),
        ([], None),
        (["Bearer"], None),
        (['Bearer realm="https://a/t' + "\x00" + '"'], None),
        (['Bearer realm="https://ä/t"'], None),
        (['Bearer realm="' + "a" * MAX_CHARACTERS + '"'], None),
    ],
)
def test_a_challenge(headers, expected):
    assert read_challenge(headers) == expected

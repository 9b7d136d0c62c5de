"""References are read exactly as by the grammar that the kubelet and containerd use, compared with the real one.

Differences are those that ``tidegate.images.reference`` names, and each only ever refuses more.
"""

import json
import random
import subprocess

import pytest

from tests.cluster.toolchain.build import program, ready
from tests.prerequisites import make_ready, require
from tidegate.errors import InvalidReferenceError
from tidegate.images.reference import MAX_REFERENCE_LENGTH, ImageReference, parse_reference
from tidegate.images.repository import parse_ecr_host

PROGRAM = "tidegate-reference"
SEED = 20_240_117
TEXTS = 6_000
HEX = "0123456789abcdef" * 4
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

GOOD = (
    (
        *("", "", "docker.io/", "index.docker.io/", "localhost/", "localhost:5000/", "ghcr.io/", "GHCR.io/", "Upper/"),
        *("lower/", "10.0.0.1/", "10.0.0.1:80/", "[::1]/", "[2001:db8::1]:5000/", "a-b.c--d/", "host:99999999/"),
        *("xn--80ak6aa92e.com/", f"{ECR}/", f"{ECR}:443/", f"{ECR.upper()}/", "h" * 300 + ".io/", "DOCKER.IO/"),
    ),
    (
        *("a", "app", "library/app", "team/app", "a.b", "a__b", "a--b", "a/b/c/d/e", "a-b/c_d/e.f", "a" * 247),
        *("a" * 248, "a" * 255, HEX, HEX[:63], "sha256", "docker.io", "localhost"),
    ),
    ("", "", ":1", ":latest", ":V1.2-rc_3", ":_a", ":" + "t" * 128, f":{HEX}"),
    ("", "", "", f"@sha256:{HEX}"),
)
ODD = (
    (
        *("[fe80::1%25eth0]/", "[]/", "-a.io/", "a-.io/", "a_b.io/", "a_b/", "a.io./", "a..io/", "a:/", "a:b/"),
        *(f"{ECR}:80/", "u@h.io/", "https://a.io/", "2001:db8::1/"),
    ),
    (
        *("a_.b", "a..b", "a___b", ".a", "a.", "_a", "a_", "a//b", "/a", "a/", "App", "team/App", "a" * 256),
        *(HEX.upper(), "\u00e9", "\u0430", "a b", "", "../a"),
    ),
    (":", ":.a", ":-a", ":a:b", ":" + "t" * 129, ":a/b", ":\u00e9", ":1 "),
    (
        *(f"@sha256:{HEX[:-1]}", f"@sha256:{HEX}0", f"@sha256:{HEX.upper()}", f"@sha384:{HEX[:32]}{HEX}"),
        *(f"@sha512:{HEX}{HEX}", f"@SHA256:{HEX}", f"@md5:{HEX[:32]}", f"@a+b.c:{HEX}", "@", f"@:{HEX}", f"@{HEX}"),
        *(f"@sha256-{HEX}", f"@sha256:{HEX}@sha256:{HEX}", f"@sha256:{HEX}:tag"),
    ),
)
NOISE = "aZ09.-_:/@[]%+ \n\t\x00\u00e9\u212a\u202e"


def near_valid(chance: random.Random) -> str:
    """Return a text put together of good parts, often with one odd part or a few odd characters."""
    parts = [chance.choice(choices) for choices in GOOD]
    accident = chance.choice(("none", "part", "characters"))
    if accident == "part":
        index = chance.randrange(len(parts))
        parts[index] = chance.choice(ODD[index])
    text = "".join(parts)
    for _ in range(chance.randrange(1, 3) if accident == "characters" else 0):
        position = chance.randrange(len(text) + 1)
        kept = position + chance.choice((0, 0, 1, 3))
        text = text[:position] + chance.choice((*NOISE, "")) + text[kept:]
    return text


def texts() -> list[str]:
    chance = random.Random(SEED)
    noise = ["".join(chance.choices(NOISE, k=chance.randrange(12))) for _ in range(TEXTS // 6)]
    bare = [HEX, HEX[:63], f"{HEX}:1", "", "a." * (MAX_REFERENCE_LENGTH // 2) + "b/a", f"sha256:{HEX}", f"{ECR}/a"]
    return bare + noise + [near_valid(chance) for _ in range(TEXTS)]


@pytest.fixture(scope="module")
def readings() -> list[tuple[str, dict[str, str]]]:
    """Each text with what the real grammar makes of it."""
    require("reference grammar", make_ready(lambda: ready([PROGRAM])))
    asked = texts()
    done = subprocess.run(
        [program(PROGRAM)],
        check=False,
        input="".join(json.dumps(text) + "\n" for text in asked),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return list(zip(asked, answers, strict=True))


def stricter_on_purpose(text: str, reading: dict[str, str]) -> bool:
    """Tell whether tidegate means to refuse a text that the runtime accepts."""
    host, _, port = reading["domain"].lower().partition(":")
    return (
        len(text) > MAX_REFERENCE_LENGTH
        or reading["digest"].startswith(("sha384:", "sha512:"))
        or not reading["domain"]
        or (parse_ecr_host(host) is not None and (port not in {"", "443"} or len(reading["path"]) == 1))
    )


def read(text: str) -> ImageReference | None:
    try:
        return parse_reference(text)
    except InvalidReferenceError:
        return None


def test_the_real_grammar_is_followed(readings):
    """Accepted and refused alike, and what is accepted has the same host, path, tag and digest."""
    accepted = 0
    for text, reading in readings:
        reference = read(text)
        if "error" in reading or stricter_on_purpose(text, reading):
            assert reference is None, text
        else:
            assert reference is not None, text
            assert reference.domain == reading["domain"].lower(), text
            assert reference.path == reading["path"], text
            assert (reference.tag or "") == reading["tag"], text
            assert (reference.digest or "") == reading["digest"], text
            accepted += 1
    assert accepted > TEXTS / 4


def test_every_difference_is_met(readings):
    """The texts reach each place where tidegate is stricter; else the comparison would prove less than it says."""
    met = [
        (text, reading) for text, reading in readings if "error" not in reading and stricter_on_purpose(text, reading)
    ]
    assert any(reading["digest"].startswith("sha512:") for _, reading in met)
    assert any(not reading["domain"] for _, reading in met)
    assert any(reading["domain"] == f"{ECR}:80" for _, reading in met)
    assert any(reading["domain"] == ECR and len(reading["path"]) == 1 for _, reading in met)
    assert any(len(text) > MAX_REFERENCE_LENGTH for text, _ in met)

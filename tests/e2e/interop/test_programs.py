"""The programs are the ones that the other tests are about, and they reach nothing but this machine."""

from __future__ import annotations

from tests.cluster.toolchain import build
from tests.e2e.interop.programs import NOBODY, Cosign, Notation


def test_notation_is_the_pinned_one(notation: Notation) -> None:
    assert f"v{build.PROGRAMS['notation'].minor}." in notation.run("version")


def test_cosign_is_the_pinned_one(cosign: Cosign) -> None:
    assert f"v{build.PROGRAMS['cosign'].minor}." in cosign.run("version")


def test_cosign_can_not_ask_the_public_instance(cosign: Cosign) -> None:
    assert NOBODY.removeprefix("http://") in cosign.refusal("initialize")


def test_notation_can_not_ask_a_registry_elsewhere(notation: Notation) -> None:
    assert NOBODY.removeprefix("http://") in notation.refusal("list", f"registry.invalid/app@sha256:{'0' * 64}")

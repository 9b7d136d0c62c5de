"""What a tenant, or who may push, can make the controller keep in memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.attack.large_manifests import AUTHORITY, padded, serving
from tests.attack.long_answers import LongAnswers
from tests.attack.product import Product, product
from tests.attack.scenario import Outcome, Scenario
from tests.objects import ECR
from tests.simulator import Simulator, World
from tests.simulator.pki.sigstore import public_pem

CHART_MIB = 384
"""The memory that the chart gives a Pod."""
MORE_MIB = 16
LONG_TEXTS = 40
DECISIONS = 1_500
DECISIONS_MIB = 64
MIB = 1024 * 1024


def _long_image_texts() -> Outcome:
    """Dry-run Pods, each with an image that is written with 1.4 million characters. Each costs the API server a second."""
    world = World()
    with (
        Simulator(world) as aws,
        product(aws, requirements={"tags": {"immutable": True}}) as tidegate,
    ):
        # One of them first: what a single request takes while it is under way is no memory that is kept.
        tidegate.create_pod(_long("first"))
        before = tidegate.resident_mib
        _side_by_side(lambda number: _refused(tidegate, number), LONG_TEXTS)
        more = tidegate.resident_mib - before
    return Outcome(measured=f"{more:.0f} MiB more", bound=f"{MORE_MIB} MiB more", held=more <= MORE_MIB)


def _refused(tidegate: Product, number: int) -> None:
    answer = tidegate.create_pod(_long(f"{number:04}"))
    if answer.allowed:
        raise AssertionError(answer.text[:500])


def _long(name: str) -> str:
    return f"{ECR}/{name}/" + "x" * 1_400_000


def _many_decisions() -> Outcome:
    """Dry-run Pods of 32 images each, every image new and as long as one that is remembered may be."""
    with (
        Simulator(World()) as aws,
        product(aws, requirements={"tags": {"immutable": True}}) as tidegate,
    ):

        def create(pod: int) -> None:
            tidegate.create_pod(*(f"{ECR}/{pod:05}/{one}/".ljust(1_000, "x") for one in range(32)))

        create(DECISIONS)
        before = tidegate.resident_mib
        _side_by_side(create, DECISIONS)
        more = tidegate.resident_mib - before
    return Outcome(measured=f"{more:.0f} MiB more", bound=f"{DECISIONS_MIB} MiB more", held=more <= DECISIONS_MIB)


def _long_answers() -> Outcome:
    """2,400 images with 1,000 tags of 250 characters each, and then answers that are padded to 10 MB."""
    with (
        LongAnswers() as aws,
        Simulator(World()) as simulator,
        product(
            simulator,
            requirements={"tags": {"immutable": True}, "scan": {}},
            values={
                "aws": {"region": "eu-west-1", "ratePerSecond": 200, "burst": 400, "endpoints": _endpoints(aws.url)}
            },
        ) as tidegate,
    ):
        known = _ask(tidegate, "known", 24)
        aws.padding = 10 * MIB
        padded = _ask(tidegate, "padded", 4)
        most = tidegate.most_resident_mib
    return Outcome(
        measured=f"{most:.0f} MiB at most; {known} and {padded} Pods answered",
        bound=f"{CHART_MIB} MiB at most; 24 and 4 Pods answered",
        held=most <= CHART_MIB,
        in_time=known == 24 and padded == 4,
    )


def _large_manifests() -> Outcome:
    """A Pod of 100 images of a registry that is not Amazon ECR, whose manifests have nearly 4 MiB."""
    with (
        TemporaryDirectory() as name,
        serving(Path(name), 100) as host,
        Simulator(World()) as aws,
        product(
            aws,
            requirements={"registries": [{"host": host}], **_signed()},
            values={"registries": [{"host": host, "privateAddresses": True}]},
            environment={"SSL_CERT_FILE": f"{name}/{AUTHORITY}"},
        ) as tidegate,
    ):
        before = tidegate.resident_mib
        answer = tidegate.create_pod(*(f"{host}/team/app@{digest}" for digest in padded(100)))
        most = tidegate.most_resident_mib
    return Outcome(
        measured=f"{most:.0f} MiB at most ({before:.0f} before), status {answer.status}",
        bound=f"{CHART_MIB} MiB at most, refused",
        held=most <= CHART_MIB and answer.status == HTTPStatus.FORBIDDEN,
    )


def _signed() -> dict[str, Any]:
    key = public_pem(ec.generate_private_key(ec.SECP256R1())).decode()
    rules = {"key": {"pem": key}, "transparencyLog": "NotRequired"}
    return {"signatures": {"anyOf": [{"name": "vendor", "sigstore": rules}]}}


def _endpoints(url: str) -> dict[str, str]:
    return dict.fromkeys(("ecr", "inspector2", "kms", "signer", "sts"), url)


def _ask(tidegate: Product, name: str, pods: int) -> int:
    """Create Pods of 100 images of one repository each; return how many were answered."""
    answered = []

    def create(number: int) -> None:
        images = [f"{ECR}/{name}/app{number}:v{tag}" for tag in range(100)]
        answered.append(tidegate.create_pod(*images).status in (201, 403))

    _side_by_side(create, pods)
    return sum(answered)


def _side_by_side(create: Callable[[int], None], times: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(times)))


SCENARIOS = (
    Scenario(
        name="long-image-texts",
        attack="40 dry-run Pods with image strings of 1.4 MB: resident memory",
        run=_long_image_texts,
    ),
    Scenario(
        name="many-decisions",
        attack="1,500 Pods of 32 images, all different and long: resident memory",
        run=_many_decisions,
    ),
    Scenario(
        name="long-answers",
        attack="AWS answers of 25 MB about 2,400 images with 1,000 tags, then of 10 MB: memory at most",
        run=_long_answers,
    ),
    Scenario(
        name="large-manifests",
        attack="a Pod of 100 images of a registry with manifests of 4 MiB: memory at most",
        run=_large_manifests,
    ),
)

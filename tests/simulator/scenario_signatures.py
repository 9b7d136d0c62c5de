"""The signatures of a scenario, once all images of a repository are there: each part is a call of `Signing`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tests.simulator.scenario_error import wrong_at
from tests.simulator.scenario_model import (
    AwsSignerPart,
    CosignKeylessPart,
    CosignKeyPart,
    NotationPart,
    SignaturePart,
)
from tests.simulator.world import World


def add_signatures(
    world: World, repository: str, image: str, parts: Sequence[SignaturePart], where: Mapping[str, Any], *, place: str
) -> None:
    """Put the signatures beside an image (ScenarioError)."""
    calls: dict[type[SignaturePart], Callable[..., str]] = {
        AwsSignerPart: world.signing.sign_with_aws_signer,
        NotationPart: world.signing.sign_with_notation,
        CosignKeyPart: world.signing.sign_with_key,
        CosignKeylessPart: world.signing.sign_keyless,
    }
    for number, part in enumerate(parts):
        with wrong_at(f"{place}.signatures[{number}]"):
            # The members of each part are the arguments of its call.
            calls[type(part)](repository, image, **msgspec.structs.asdict(part), **where)

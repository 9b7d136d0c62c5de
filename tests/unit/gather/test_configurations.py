"""The configuration of registries and repositories: kept for hours, shared, and each part for itself."""

import asyncio
from typing import Any

import pytest

from tests.unit.builders import registry_configuration, repository_configuration
from tests.unit.gather.collected import DETAIL, HOST, PINNED, TAG, asked
from tests.unit.gather.fakes import unavailable
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image import Absence
from tidegate.evidence.needs import needs
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather import lifetimes
from tidegate.images.image_id import ImageId
from tidegate.images.reference import parse_reference

CONFIGURED = needs(settings=False, scan=False, platforms=(), configuration=True)
REGISTRY, REPOSITORY = "ecr:GetRegistryPolicy", "ecr:GetRepositoryPolicy"
LONG = lifetimes.CONFIGURATION_SECONDS + 1


class TestKept:
    """How long a configuration is used."""

    async def test_it_is_looked_up_once_for_hours(self, aws, collect):
        """Beside the digest; and only where a policy wants it."""
        first = await collect(PINNED, CONFIGURED)
        assert first.repository_configuration.value is aws.configured["team/app"]
        assert first.registry_configuration.value is aws.registry
        assert first.is_whole
        assert sorted(asked(aws)) == sorted([DETAIL, REGISTRY, REPOSITORY])
        await asyncio.sleep(lifetimes.CONFIGURATION_SECONDS * 0.7)
        await collect(PINNED, CONFIGURED)
        assert (aws.count(REGISTRY), aws.count(REPOSITORY)) == (1, 1)
        await asyncio.sleep(LONG)
        await collect(PINNED, CONFIGURED)
        assert (aws.count(REGISTRY), aws.count(REPOSITORY)) == (2, 2)

    async def test_evidence_is_valid_no_longer_than_it(self, aws, collect, clock):
        """A repository that is not there may be created any moment."""
        aws.configured["team/app"] = Absence.REPOSITORY
        found = await collect(PINNED, CONFIGURED)
        assert found.repository_configuration.value is Absence.REPOSITORY
        assert found.valid_until <= clock.monotonic() + lifetimes.ABSENT_SECONDS

    async def test_repositories_of_a_registry_share_a_call(self, aws, collect):
        """Up to 25 of them."""
        names = [f"team/app{number}" for number in range(30)]
        aws.configured |= {name: repository_configuration() for name in names}
        references = [parse_reference(f"{HOST}/{name}:v1") for name in names]
        await asyncio.gather(*(collect(one, CONFIGURED) for one in references))
        assert aws.count(REGISTRY) == 1
        assert max(aws.ids(REPOSITORY)) <= 25
        assert aws.count(REPOSITORY) <= 4

    async def test_an_image_that_is_not_there_keeps_what_was_asked(self, aws, collect):
        """Its configuration is no answer about the image."""
        aws.images[ImageId.of_tag("v1")] = Absence.IMAGE
        found = await collect(TAG, CONFIGURED)
        assert isinstance(found.repository_configuration, Known)
        assert isinstance(found.registry_configuration, Known)

    async def test_a_region_that_does_not_exist_is_definite(self, aws, collect):
        """For the repository; the registry is missing."""
        aws.failing[REPOSITORY] = aws.failing[REGISTRY] = UnknownRegionError("no such region")
        found = await collect(PINNED, CONFIGURED)
        assert found.repository_configuration.value is Absence.REGION
        assert isinstance(found.registry_configuration, Missing)


PARTS: dict[str, Any] = {"policy": unavailable(Cause.ACCESS_DENIED), "lifecycle": unavailable(Cause.THROTTLED)}


class TestParts:
    """A part that could not be read."""

    async def test_it_is_undetermined_for_itself_and_asked_for_again_soon(self, aws, collect):
        """It is not kept for hours."""
        aws.configured["team/app"] = repository_configuration(**PARTS)
        aws.registry = registry_configuration(policy=PARTS["policy"])
        found = await collect(PINNED, CONFIGURED)
        assert found.repository_configuration.value.policy is PARTS["policy"]
        assert found.repository_configuration.value.encryption == repository_configuration().encryption
        await asyncio.sleep(lifetimes.PARTLY_CONFIGURED_SECONDS + 1)
        aws.configured["team/app"] = repository_configuration()
        aws.registry = registry_configuration()
        mended = await collect(PINNED, CONFIGURED)
        assert mended.repository_configuration.value is aws.configured["team/app"]
        assert mended.registry_configuration.value is aws.registry

    @pytest.mark.parametrize("cause", [Cause.THROTTLED, Cause.SERVER_ERROR, Cause.DEADLINE, Cause.UNEXPECTED_ANSWER])
    async def test_a_cause_that_passes_never_replaces_what_is_known(self, aws, collect, cause):
        """The earlier configuration counts as stale."""
        before, registry = aws.configured["team/app"], aws.registry
        await collect(PINNED, CONFIGURED)
        aws.configured["team/app"] = repository_configuration(lifecycle=unavailable(cause, "ecr:GetLifecyclePolicy"))
        aws.registry = registry_configuration(scanning=unavailable(cause, "ecr:GetRegistryScanningConfiguration"))
        await asyncio.sleep(LONG)
        found = await collect(PINNED, CONFIGURED)
        for fact, earlier, source in (
            (found.repository_configuration, before, "ecr:GetLifecyclePolicy"),
            (found.registry_configuration, registry, "ecr:GetRegistryScanningConfiguration"),
        ):
            assert fact.value is earlier
            assert (fact.stale, fact.source) == (cause, source)

    async def test_what_is_known_never_hides_that_another_part_has_changed(self, aws, collect):
        """The new policy counts; who opens a repository may also make another part unreadable."""
        await collect(PINNED, CONFIGURED)
        lost = unavailable(Cause.UNEXPECTED_ANSWER, "ecr:DescribeRepositories")
        aws.configured["team/app"] = repository_configuration("a new policy", settings=lost)
        aws.registry = registry_configuration("a new policy", scanning=lost)
        await asyncio.sleep(LONG)
        found = await collect(PINNED, CONFIGURED)
        for fact in (found.repository_configuration, found.registry_configuration):
            assert (fact.stale, fact.value.policy) == (None, "a new policy")

    @pytest.mark.parametrize("cause", [Cause.ACCESS_DENIED, Cause.ROLE_DENIED, Cause.CREDENTIALS])
    async def test_a_permission_that_was_taken_away_hides_no_news_of_the_rest(self, aws, collect, cause):
        """The part is undetermined, and all others are new."""
        await collect(PINNED, CONFIGURED)
        aws.configured["team/app"] = repository_configuration("a new policy", lifecycle=unavailable(cause))
        await asyncio.sleep(LONG)
        found = await collect(PINNED, CONFIGURED)
        assert found.repository_configuration.stale is None
        assert found.repository_configuration.value.policy == "a new policy"

    async def test_a_part_that_was_never_known_is_no_reason_to_keep_the_old(self, aws, collect):
        """The news of the others counts."""
        broken = {"lifecycle": unavailable(Cause.SERVER_ERROR)}
        aws.configured["team/app"] = repository_configuration("old", **broken)
        await collect(PINNED, CONFIGURED)
        aws.configured["team/app"] = repository_configuration("new", **broken)
        await asyncio.sleep(LONG)
        found = await collect(PINNED, CONFIGURED)
        assert found.repository_configuration.value.policy == "new"

    async def test_a_call_that_failed_as_a_whole_is_missing(self, aws, collect):
        """And asked for again."""
        aws.configured["team/app"] = unavailable(Cause.THROTTLED, REPOSITORY)
        aws.failing[REGISTRY] = unavailable(Cause.UNREACHABLE, REGISTRY)
        found = await collect(PINNED, CONFIGURED)
        assert found.repository_configuration == Missing(Cause.THROTTLED, REPOSITORY)
        assert found.registry_configuration == Missing(Cause.UNREACHABLE, REGISTRY)
        assert not found.is_whole
        aws.configured["team/app"] = repository_configuration()
        aws.failing.clear()
        assert (await collect(PINNED, CONFIGURED)).is_whole

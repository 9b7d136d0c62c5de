"""Amazon ECR: how registries and repositories are configured. It reads, and changes nothing.

The methods implement ``evidence.ports.ConfigurationSource``. ECR answers calls without a registry id for the account of the
caller: an answer about another account than the one that was asked for is ACCESS_DENIED.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tidegate.aws import configuration_answers as answers
from tidegate.aws.clients import AnsweredError, Api, Clients
from tidegate.aws.configuration_answers import DescribedParts, Description
from tidegate.aws.ecr_images import attempt, can_exist, require_same, where
from tidegate.aws.errors import INVALID_CODES, MAX_DETAIL, unexpected
from tidegate.aws.identity import Identity
from tidegate.aws.pages import read_pages
from tidegate.aws.pull_through import read_rules
from tidegate.aws.reply import ApiResponse
from tidegate.aws.split import RefusedError, ask_for_each
from tidegate.aws.stored_images import stored_images
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.ports import MAX_CONFIGURED_REPOSITORIES, ConfiguredRepository
from tidegate.evidence.registry_configuration import (
    MAX_LIFECYCLE_CHARACTERS,
    MAX_POLICY_CHARACTERS,
    Answer,
    RegistryConfiguration,
    RepositoryConfiguration,
    RepositoryScanning,
    SigningRule,
    StoredImage,
)
from tidegate.evidence.source_unavailable import SourceUnavailableError, again
from tidegate.images.repository import EcrRegistry, EcrRepository

PAGE_SIZE: Final = 1000
"""Repositories of one page (ECR's own bound)."""
MAX_PAGES: Final = 110
"""Pages of one registry: ECR allows 100,000 repositories, and a page may have fewer than asked for."""

_DESCRIBE_REPOSITORIES = Api("ecr", "DescribeRepositories")
_REPOSITORY_POLICY = Api("ecr", "GetRepositoryPolicy")
_LIFECYCLE = Api("ecr", "GetLifecyclePolicy")
_REPOSITORY_SCANNING = Api("ecr", "BatchGetRepositoryScanningConfiguration")
_REGISTRY_POLICY = Api("ecr", "GetRegistryPolicy")
_ACCOUNT_SETTING = Api("ecr", "GetAccountSetting")
_REGISTRY_SCANNING = Api("ecr", "GetRegistryScanningConfiguration")
_REGISTRY = Api("ecr", "DescribeRegistry")
_SIGNING = Api("ecr", "GetSigningConfiguration")
_NO_REPOSITORY: Final = "RepositoryNotFoundException"


@dataclass(frozen=True, slots=True)
class _Text:
    """A policy text: the call that returns it, the code that says there is none, its member and its bound."""

    api: Api
    none: str
    member: str
    most: int


_POLICY_TEXT = _Text(_REPOSITORY_POLICY, "RepositoryPolicyNotFoundException", "policyText", MAX_POLICY_CHARACTERS)
_LIFECYCLE_TEXT = _Text(_LIFECYCLE, "LifecyclePolicyNotFoundException", "lifecyclePolicyText", MAX_LIFECYCLE_CHARACTERS)
_REGISTRY_TEXT = _Text(_REGISTRY_POLICY, "RegistryPolicyNotFoundException", "policyText", MAX_POLICY_CHARACTERS)


class EcrConfiguration:
    """Ask Amazon ECR. Safe to share between threads."""

    def __init__(self, clients: Clients, identity: Identity) -> None:
        self._clients = clients
        self._identity = identity

    def registry_configuration(self, registry: EcrRegistry) -> RegistryConfiguration:
        """Return the configuration of a registry, in six calls. See ``evidence.ports.ConfigurationSource``."""
        self._clients.check_region(registry)
        replication = attempt(
            lambda: answers.read_replication(self._of_registry(_REGISTRY, registry), registry, _REGISTRY.source)
        )
        foreign = attempt(partial(self._require_own, registry, proven=not isinstance(replication, Exception)))
        if foreign is not None:
            # The other calls would answer for the caller's own account, and "there is no policy" names no account.
            return RegistryConfiguration(
                registry=registry,
                policy=foreign,
                policy_scope=foreign,
                scanning=foreign,
                pull_through=attempt(partial(read_rules, self._clients, registry)),
                replication=replication,
                signing=foreign,
            )
        return RegistryConfiguration(
            registry=registry,
            policy=attempt(partial(self._registry_policy, registry)),
            policy_scope=attempt(lambda: answers.read_scope(self._scope(registry), _ACCOUNT_SETTING.source)),
            scanning=attempt(
                lambda: answers.read_scanning(
                    self._of_registry(_REGISTRY_SCANNING, registry), _REGISTRY_SCANNING.source
                )
            ),
            pull_through=attempt(partial(read_rules, self._clients, registry)),
            replication=replication,
            signing=attempt(partial(self._signing, registry)),
        )

    def repository_configurations(
        self, registry: EcrRegistry, names: Sequence[str], *, described: Mapping[str, Description] | None = None
    ) -> Mapping[str, ConfiguredRepository]:
        """Return the configuration of repositories. See ``evidence.ports.ConfigurationSource``.

        Two calls for each repository, and two for all; ``described`` is what a page of ``repositories`` said of these, which
        saves one.
        """
        if len(names) > MAX_CONFIGURED_REPOSITORIES:
            raise ValueError(f"at most {MAX_CONFIGURED_REPOSITORIES} names can be asked for at once, got {len(names)}")
        self._clients.check_region(registry)
        possible = [each for each in names if can_exist(each)]
        found = described if described is not None else self._describe(registry, possible)
        there = [each for each in possible if not isinstance(found[each], Absence)]
        scanning = self._repository_scanning(registry, there)
        read = self._with_texts(registry, {each: (found[each], scanning[each]) for each in there})
        return {each: read.get(each, Absence.REPOSITORY) for each in names}

    def repositories(self, registry: EcrRegistry) -> Iterator[Mapping[str, Description]]:
        """Yield the repositories of a registry page by page, with how each is described.

        Raise SourceUnavailableError, also after pages, and for more than MAX_PAGES pages. Source:
        ``ecr:DescribeRepositories``, one call a page.
        """
        self._clients.check_region(registry)
        source, more = _DESCRIBE_REPOSITORIES.source, False
        parameters = {"registryId": registry.account, "maxResults": PAGE_SIZE}
        for page, more in read_pages(self._clients, _DESCRIBE_REPOSITORIES, registry, parameters, most=MAX_PAGES):  # noqa: B007 - used below
            names = [each.text("repositoryName") for each in ApiResponse(page, source).listed("repositories")]
            yield answers.read_descriptions(page, registry, names, source)
        if more:
            raise unexpected(source, f"more than {MAX_PAGES} pages of repositories")

    def lifecycle_images(
        self, repository: EcrRepository, configuration: ConfiguredRepository
    ) -> Answer[tuple[StoredImage, ...]]:
        """Return the images that a repository's lifecycle policy is evaluated for; none where it has no such policy.

        Source: ``ecr:DescribeImages``, one call a page.
        """
        if not isinstance(configuration, RepositoryConfiguration) or not isinstance(configuration.lifecycle, str):
            return ()
        found = attempt(partial(stored_images, self._clients, repository))
        return () if isinstance(found, Absence) else found

    def _describe(self, registry: EcrRegistry, names: Sequence[str]) -> Mapping[str, Description]:
        """Describe repositories; where the call fails, each has that as its answer."""
        ask = partial(self._describe_once, registry)
        try:
            return ask_for_each(names, ask, name=str, source=_DESCRIBE_REPOSITORIES.source)
        except SourceUnavailableError as exc:
            return dict.fromkeys(names, again(exc))

    def _describe_once(self, registry: EcrRegistry, names: Sequence[str]) -> dict[str, Description]:
        parameters = {"registryId": registry.account, "repositoryNames": list(names)}
        page = self._call_about(_DESCRIBE_REPOSITORIES, registry, parameters)
        return answers.read_descriptions(page, registry, names, _DESCRIBE_REPOSITORIES.source)

    def _repository_scanning(
        self, registry: EcrRegistry, names: Sequence[str]
    ) -> Mapping[str, Answer[RepositoryScanning] | Absence]:
        try:
            return ask_for_each(
                names, partial(self._scanning_once, registry), name=str, source=_REPOSITORY_SCANNING.source
            )
        except SourceUnavailableError as exc:
            return dict.fromkeys(names, again(exc))

    def _scanning_once(
        self, registry: EcrRegistry, names: Sequence[str]
    ) -> dict[str, Answer[RepositoryScanning] | Absence]:
        page = self._call_about(_REPOSITORY_SCANNING, registry, {"repositoryNames": list(names)})
        return dict(answers.read_repository_scanning(page, registry, names, _REPOSITORY_SCANNING.source))

    def _call_about(self, api: Api, registry: EcrRegistry, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a call about several repositories, one of which may be missing."""
        codes = frozenset({_NO_REPOSITORY}) | INVALID_CODES
        try:
            return self._clients.call(api, registry, parameters, answers=codes)
        except AnsweredError as exc:
            invalid = SourceUnavailableError(Cause.INTERNAL, api.source, str(exc)[:MAX_DETAIL])
            raise RefusedError(Absence.REPOSITORY if exc.code == _NO_REPOSITORY else invalid, exc.message) from exc

    def _with_texts(
        self, registry: EcrRegistry, found: Mapping[str, tuple[Description, Answer[RepositoryScanning] | Absence]]
    ) -> Mapping[str, ConfiguredRepository]:
        """Return the configurations with their policies; ECR is not asked for more once it cannot be reached."""
        read: dict[str, ConfiguredRepository] = {}
        outage: SourceUnavailableError | None = None
        for name, (described, scanning) in found.items():
            outage = outage or _unreachable(described, scanning)
            one = read[name] = self._repository(EcrRepository(registry, name), described, scanning, outage)
            texts = (one.policy, one.lifecycle) if isinstance(one, RepositoryConfiguration) else (one,)
            outage = outage or _unreachable(*texts)
        return read

    def _repository(
        self,
        repository: EcrRepository,
        described: Description,
        scanning: Answer[RepositoryScanning] | Absence,
        outage: SourceUnavailableError | None,
    ) -> ConfiguredRepository:
        policy: Answer[str | None]
        lifecycle: Answer[str | None]
        try:
            policy = outage or attempt(partial(self._text, _POLICY_TEXT, repository))
            lifecycle = outage or _unreachable(policy) or attempt(partial(self._text, _LIFECYCLE_TEXT, repository))
        except AnsweredError:
            return Absence.REPOSITORY
        if isinstance(described, SourceUnavailableError):
            described = DescribedParts(settings=described, encryption=described)
        assert not isinstance(described, Absence)
        if isinstance(scanning, Absence):
            # Only an answer for the registry's own account would say that, and that account has the repository.
            problem = "ECR does not know the repository that it describes"
            scanning = SourceUnavailableError(Cause.UNEXPECTED_ANSWER, _REPOSITORY_SCANNING.source, problem)
        parts = (described.settings, described.encryption, policy, lifecycle, scanning)
        problems = [each for each in parts if isinstance(each, SourceUnavailableError)]
        if len(problems) == len(parts):
            return problems[0]
        return RepositoryConfiguration(
            repository=repository,
            settings=described.settings,
            encryption=described.encryption,
            policy=policy,
            lifecycle=lifecycle,
            scanning=scanning,
        )

    def _text(self, text: _Text, repository: EcrRepository) -> str | None:
        """Return a policy text, None if there is none; raise AnsweredError if there is no repository."""
        codes = frozenset({text.none, _NO_REPOSITORY})
        try:
            page = self._clients.call(text.api, repository.registry, where(repository), answers=codes)
        except AnsweredError as exc:
            if exc.code == _NO_REPOSITORY:
                raise
            return None
        reply = ApiResponse(page, text.api.source)
        require_same(reply, repository)
        return answers.bounded_text(reply, text.member, text.most)

    def _registry_policy(self, registry: EcrRegistry) -> str | None:
        text = _REGISTRY_TEXT
        try:
            page = self._of_registry(text.api, registry, answers=frozenset({text.none}))
        except AnsweredError:
            return None
        return answers.bounded_text(ApiResponse(page, text.api.source), text.member, text.most)

    def _signing(self, registry: EcrRegistry) -> tuple[SigningRule, ...]:
        try:
            page = self._of_registry(_SIGNING, registry, answers=frozenset({"SigningConfigurationNotFoundException"}))
        except AnsweredError:
            return ()
        return answers.read_signing(page, _SIGNING.source)

    def _scope(self, registry: EcrRegistry) -> Mapping[str, Any]:
        return self._clients.call(_ACCOUNT_SETTING, registry, {"name": answers.POLICY_SCOPE})

    def _of_registry(
        self, api: Api, registry: EcrRegistry, *, answers: frozenset[str] = frozenset()
    ) -> Mapping[str, Any]:
        """Make a call about the caller's own registry; raise unless the answer names this one."""
        page = self._clients.call(api, registry, {}, answers=answers)
        if (answered := ApiResponse(page, api.source).text("registryId")) != registry.account:
            raise _foreign(api, registry, f"ECR answered for {answered[:20]}")
        return page

    def _require_own(self, registry: EcrRegistry, *, proven: bool) -> None:
        """Raise SourceUnavailableError unless the caller is known to be in the registry's account."""
        if proven:
            return
        reader = self._clients.account(registry.account).role_account or self._identity.account()
        if reader != registry.account:
            raise _foreign(_REGISTRY, registry, f"ECR would answer for {reader}")


def _unreachable(*answers: object) -> SourceUnavailableError | None:
    """Return the first answer that says that ECR could not be reached: each further call would take seconds."""
    problems = (one for one in answers if isinstance(one, SourceUnavailableError))
    return next((one for one in problems if one.cause is Cause.UNREACHABLE), None)


def _foreign(api: Api, registry: EcrRegistry, problem: str) -> SourceUnavailableError:
    advice = f"{problem}: give account {registry.account} a role to assume"
    return SourceUnavailableError(Cause.ACCESS_DENIED, api.source, advice)

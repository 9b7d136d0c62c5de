"""Posture checks on who may write to a repository and who may pull from it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tidegate.evidence.registry_configuration import PullThroughRule, RegistryConfiguration, RepositoryConfiguration
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.images.repository import EcrRepository
from tidegate.policy.model import PullRules, PushRules
from tidegate.posture import remedies
from tidegate.posture.access import Ground
from tidegate.posture.principals import (
    PrincipalKind,
    PrincipalSet,
    account_set,
    is_within,
    organization_set,
)
from tidegate.posture.pull_access import PullAccess, pull_access
from tidegate.posture.push_access import PushAccess, PushAnswer, push_access, replicating
from tidegate.posture.result import (
    PostureCheck,
    PostureReason,
    PostureResult,
    PostureStatus,
    passed,
    unavailable,
)
from tidegate.strict.quotation import printable

MAX_NAMED = 5
"""Principals that a result names one by one."""
MAX_NAME = 256
"""Characters of the name of a principal."""
MAX_STATEMENTS = 3
"""Statements that a result repeats."""
ROOT_PREFIX = "ROOT"
"""The prefix of the pull-through-cache rule for all names that no other rule is about."""


def allowed_by(rules: PushRules) -> tuple[PrincipalSet, ...]:
    """Return the principals that the rules let push."""
    arns = (PrincipalSet(PrincipalKind.PRINCIPAL, one) for one in rules.restricted_to)
    return (*arns, *map(account_set, rules.accounts), *map(organization_set, rules.organizations))


def assess_push(
    repository: RepositoryConfiguration, registry: RegistryConfiguration, rules: PushRules | None
) -> tuple[PostureResult, ...]:
    """Return who may push, whether that can be undone, and what else writes images into the repository."""
    access = push_access(repository, registry)
    allowed = allowed_by(rules) if rules is not None else ()
    results = [
        _push(repository, access, allowed, is_required=rules is not None),
        _replication(repository, registry, allowed),
        _pull_through(repository.repository, registry),
    ]
    if access.answer in {PushAnswer.PRINCIPALS, PushAnswer.ACCOUNTS}:
        results[:1] = _with_one_command(results[0], _guard(repository, access), repository, allowed)
    return tuple(results)


def _with_one_command(
    push: PostureResult, guard: PostureResult, repository: RepositoryConfiguration, allowed: Sequence[PrincipalSet]
) -> tuple[PostureResult, PostureResult]:
    """Give both one command where both fail: each sets the whole policy, and would remove what the other one added."""
    if push.status is not PostureStatus.FAIL or guard.status is not PostureStatus.FAIL:
        return push, guard
    line = remedies.restrict_push(repository, allowed, guarded=True)
    return replace(push, aws_cli=line), replace(guard, aws_cli=line)


def _push(
    repository: RepositoryConfiguration, access: PushAccess, allowed: Sequence[PrincipalSet], *, is_required: bool
) -> PostureResult:
    """Return PASS where every principal that may push is allowed to; without rules, where a Deny restricts them."""
    if access.answer is PushAnswer.UNDECIDABLE:
        return undecided(PostureCheck.PUSH, "it cannot be decided who may push to the repository", access.grounds)
    is_restricted = access.answer in {PushAnswer.PRINCIPALS, PushAnswer.ACCOUNTS}
    wrong = [one for one in access.principals if not is_within(one, allowed)] if is_required else []
    cause = f"{names(access.principals)} may push"
    if access.unmatched:
        cause += f"; aws:PrincipalArn is never the ARN of a session, so {names(access.unmatched)} matches no principal"
    if not wrong and (is_required or is_restricted):
        return PostureResult(
            check=PostureCheck.PUSH,
            status=PostureStatus.PASS,
            reason=PostureReason.OK,
            message=_RESTRICTED[access.answer],
            cause=cause,
            statement=statements(access.grounds),
        )
    if access.unclear:
        return undecided(PostureCheck.PUSH, "it cannot be decided who may push to the repository", access.unclear)
    needless = "; ".join(map(str, access.needless[:MAX_STATEMENTS]))
    return PostureResult(
        check=PostureCheck.PUSH,
        status=PostureStatus.FAIL,
        reason=PostureReason.PUSH_NOT_RESTRICTED,
        message=_RESTRICTED[access.answer] + (", others than the policy lists among them" if is_restricted else ""),
        cause="; ".join(filter(None, (cause, needless))),
        statement=statements((*access.grounds, *access.needless)),
        aws_cli=remedies.restrict_push(repository, allowed),
        terraform=remedies.TERRAFORM_POLICY,
    )


_RESTRICTED = {
    PushAnswer.PRINCIPALS: "a policy restricts pushes to single principals",
    PushAnswer.ACCOUNTS: "a policy restricts pushes to accounts or organizations",
    PushAnswer.OPEN_TO_ACCOUNT: "no policy keeps other principals of the account from pushing to the repository",
    PushAnswer.OPEN_TO_OTHERS: "a policy allows principals of other accounts to push to the repository",
}


def _guard(repository: RepositoryConfiguration, access: PushAccess) -> PostureResult:
    if access.is_guarded:
        return passed(PostureCheck.PUSH_GUARD, "the policy also keeps others from replacing the policy")
    return PostureResult(
        check=PostureCheck.PUSH_GUARD,
        status=PostureStatus.FAIL,
        reason=PostureReason.POLICY_CAN_BE_REPLACED,
        message="principals that may not push may still replace the policy or delete the repository",
        statement=statements(access.grounds),
        aws_cli=remedies.guard_policy(repository),
        terraform=remedies.TERRAFORM_POLICY,
    )


def _replication(
    repository: RepositoryConfiguration, registry: RegistryConfiguration, allowed: Sequence[PrincipalSet]
) -> PostureResult:
    """Return PASS where no other account may replicate images into the repository, but for the allowed ones."""
    others, unknown = replicating(repository.repository, registry)
    wrong = [one for one in others if not is_within(one, allowed)]
    if wrong:
        return PostureResult(
            check=PostureCheck.REPLICATION,
            status=PostureStatus.FAIL,
            reason=PostureReason.REPLICATION_NOT_RESTRICTED,
            message="the registry policy lets other accounts replicate images into the repository",
            cause=f"{names(wrong)} may replicate",
            aws_cli=remedies.command("get-registry-policy", repository.repository.registry),
            terraform=remedies.TERRAFORM_REGISTRY_POLICY,
        )
    if unknown:
        message = "it cannot be decided whether other accounts may replicate images into the repository"
        return undecided(PostureCheck.REPLICATION, message, unknown)
    message = "no other account may replicate images into the repository than those allowed"
    return passed(PostureCheck.REPLICATION, message, cause=_copies(repository.repository, registry))


def _copies(repository: EcrRepository, registry: RegistryConfiguration) -> str:
    """Return where replication rules copy the images: the policies and settings of the repository are not copied."""
    if isinstance(registry.replication, SourceUnavailableError):
        return ""
    found = dict.fromkeys(
        str(place)
        for rule in registry.replication
        if not rule.prefixes or repository.name.startswith(rule.prefixes)
        for place in rule.destinations
    )
    shown = ", ".join(list(found)[:MAX_NAMED])
    return f"its images are copied to {shown}, without its policies and settings" if found else ""


def _pull_through(repository: EcrRepository, registry: RegistryConfiguration) -> PostureResult:
    """Return PASS where no pull-through-cache rule fills the repository from another registry."""
    if isinstance(registry.pull_through, SourceUnavailableError):
        message = "the pull-through-cache rules of the registry could not be read"
        return unavailable(PostureCheck.PULL_THROUGH_CACHE, message, registry.pull_through)
    rule = _rule_of(repository.name, registry.pull_through)
    if rule is None:
        return passed(PostureCheck.PULL_THROUGH_CACHE, "no pull-through-cache rule fills the repository")
    return PostureResult(
        check=PostureCheck.PULL_THROUGH_CACHE,
        status=PostureStatus.FAIL,
        reason=PostureReason.PULL_THROUGH_CACHE_WRITES,
        message=f"a pull-through-cache rule fills the repository from another registry (prefix {rule.prefix})",
        cause=f"the upstream registry is {rule.upstream}",
        aws_cli=remedies.command(
            "delete-pull-through-cache-rule",
            repository.registry,
            "--registry-id",
            repository.registry.account,
            "--ecr-repository-prefix",
            rule.prefix,
        ),
        terraform=remedies.TERRAFORM_PULL_THROUGH,
    )


def _rule_of(name: str, rules: Iterable[PullThroughRule]) -> PullThroughRule | None:
    """Return the rule that fills a repository of a name: that of the longest prefix, else the one for all other names."""
    fitting = [one for one in rules if one.prefix == ROOT_PREFIX or name.startswith(f"{one.prefix.rstrip('/')}/")]
    return max(fitting, key=lambda one: -1 if one.prefix == ROOT_PREFIX else len(one.prefix), default=None)


def assess_pull(
    repository: RepositoryConfiguration,
    registry: RegistryConfiguration,
    rules: PullRules | None,
    push: PushRules | None,
) -> tuple[PostureResult, ...]:
    """Return who outside of the account may pull, and whether they may change anything as well."""
    access = pull_access(repository, registry)
    allowed: tuple[PrincipalSet, ...] = ()
    if rules is not None:
        services = (PrincipalSet(PrincipalKind.SERVICE, one) for one in rules.services)
        allowed = (*map(account_set, rules.accounts), *map(organization_set, rules.organizations), *services)
    writing = allowed_by(push) if push is not None else ()
    return _pull(repository.repository, access, allowed), _writes(repository.repository, access, writing)


def _pull(repository: EcrRepository, access: PullAccess, allowed: Sequence[PrincipalSet]) -> PostureResult:
    wrong = [one for one in access.others if not is_within(one, allowed)]
    if wrong:
        public = any(one.kind is PrincipalKind.EVERYONE for one in wrong)
        whom = "every AWS account" if public else "others than the listed accounts and organizations"
        return PostureResult(
            check=PostureCheck.PULL,
            status=PostureStatus.FAIL,
            reason=PostureReason.PULL_NOT_RESTRICTED,
            message=f"a policy lets {whom} pull from the repository",
            cause=f"{names(wrong)} may pull",
            statement=statements(access.grounds),
            aws_cli=remedies.of_repository("get-repository-policy", repository),
            terraform=remedies.TERRAFORM_POLICY,
        )
    if access.unknown:
        return undecided(PostureCheck.PULL, "it cannot be decided who may pull from the repository", access.unknown)
    missing = [one for one in allowed if not any(is_within(other, (one,)) for other in access.others)]
    return PostureResult(
        check=PostureCheck.PULL,
        status=PostureStatus.PASS,
        reason=PostureReason.OK,
        message="no others than those listed may pull from the repository",
        cause=f"no statement names {names(missing)}" if missing else "",
        statement=statements(access.grounds),
    )


def _writes(repository: EcrRepository, access: PullAccess, allowed: Sequence[PrincipalSet]) -> PostureResult:
    """Return PASS where no statement that lets others pull lets them change anything."""
    for ground, others in access.writers:
        if any(not is_within(one, allowed) for one in others):
            return PostureResult(
                check=PostureCheck.PULL_WRITES,
                status=PostureStatus.FAIL,
                reason=PostureReason.PULL_GRANTS_WRITES,
                message="a statement that lets other accounts pull also lets them change the repository",
                cause=f"{ground}, to {names(others)}",
                statement=ground.text,
                aws_cli=remedies.of_repository("get-repository-policy", repository),
                terraform=remedies.TERRAFORM_POLICY,
            )
    if access.unknown:
        message = "it cannot be decided whether others that may pull may change the repository"
        return undecided(PostureCheck.PULL_WRITES, message, access.unknown)
    return passed(PostureCheck.PULL_WRITES, "no statement lets others pull and change the repository")


def undecided(check: PostureCheck, message: str, grounds: Sequence[Ground]) -> PostureResult:
    """Return the result of a check whose policy is not understood, or could not be read."""
    problem = next((one.problem for one in grounds if one.problem is not None), None)
    if problem is not None:
        return unavailable(check, message, problem)
    return PostureResult(
        check=check,
        status=PostureStatus.UNDETERMINED,
        reason=PostureReason.CONFIGURATION_UNDECIDED,
        message=message,
        cause="; ".join(map(str, grounds[:MAX_STATEMENTS])),
        statement=statements(grounds),
    )


def names(principals: Sequence[PrincipalSet]) -> str:
    """Return the principals, those past the fifth as a number."""
    shown = ", ".join(printable(str(one)[:MAX_NAME]) for one in principals[:MAX_NAMED]) or "no principal"
    return f"{shown} and {len(principals) - MAX_NAMED} more" if len(principals) > MAX_NAMED else shown


def statements(grounds: Sequence[Ground]) -> str:
    """Return the texts of the statements, one after the other."""
    return "\n".join(dict.fromkeys(one.text for one in grounds[:MAX_STATEMENTS] if one.text))

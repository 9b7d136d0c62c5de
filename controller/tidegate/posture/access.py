"""Who may do one action in a repository, by the policies of the repository and of its registry. Pure.

What identity policies, service control policies and permission boundaries say is out of sight: they can only narrow it, and
so all principals of the repository's own account count as able to where no Deny leaves them out. A set that is found is
complete only as far as ``unclear`` is empty: a Deny that cannot be decided may narrow it, an unreadable policy may widen it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tidegate.errors import VerificationError
from tidegate.evidence.registry_configuration import RegistryConfiguration, RegistryPolicyScope, RepositoryConfiguration
from tidegate.evidence.source_unavailable import SourceUnavailableError
from tidegate.posture.conditions import Narrower, Unclear, exempted, limited
from tidegate.posture.iam_policy import Effect, PolicyStatement, parse_policy_text
from tidegate.posture.principals import EVERYONE, PrincipalSet, account_set, intersections
from tidegate.strict.quotation import printable

MAX_WHY = 300
"""Characters of why a statement does not count; they may quote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The statement that says something, or why a policy says nothing that can be relied on."""

    policy: str
    label: str = ""
    text: str = ""
    why: str = ""
    problem: SourceUnavailableError | None = None

    def __str__(self) -> str:
        where = f"statement {self.label} of the {self.policy} policy" if self.label else f"the {self.policy} policy"
        return f"{where}: {printable(self.why[:MAX_WHY])}" if self.why else where


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """One of the policies that are applied to a repository. ``unreadable`` says why its statements are not known."""

    name: str
    statements: tuple[PolicyStatement, ...] = ()
    unreadable: Ground | None = None

    @property
    def is_of_registry(self) -> bool:
        """Tell whether it is the policy of the registry, whose statements name resources."""
        return self.name == "registry"

    def ground(self, statement: PolicyStatement, why: str = "") -> Ground:
        """Return a statement as the ground of something."""
        return Ground(policy=self.name, label=statement.label, text=statement.text, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may do an action: no principal outside of ``principals`` where ``unclear`` and ``unread`` are empty.

    ``is_denied_to_others`` is whether a Deny says so; ``grounds`` are the statements that do, or those that allow it. With
    ``is_denied_to_others`` nothing unread can widen the set. ``narrower`` are Denies that do not count.
    """

    principals: tuple[PrincipalSet, ...]
    is_denied_to_others: bool
    grounds: tuple[Ground, ...] = ()
    unclear: tuple[Ground, ...] = ()
    unread: tuple[Ground, ...] = ()
    narrower: tuple[Ground, ...] = field(default=())


def policies_of(repository: RepositoryConfiguration, registry: RegistryConfiguration) -> tuple[PolicyText, ...]:
    """Return the policies that are applied to a repository: its own, and that of its registry in scope V2."""
    own = read_policy("repository", repository.policy)
    scope = registry.policy_scope
    if registry.policy is None or scope is RegistryPolicyScope.V1:
        return (own,)
    if scope is not RegistryPolicyScope.V2:
        problem = scope if isinstance(scope, SourceUnavailableError) else None
        why = "it is not known which requests it is applied to"
        return own, PolicyText(name="registry", unreadable=Ground(policy="registry", why=why, problem=problem))
    return own, read_policy("registry", registry.policy)


def read_policy(name: str, written: str | SourceUnavailableError | None) -> PolicyText:
    """Return the statements of a policy, or why they are not known; a policy that does not exist has none."""
    if written is None:
        return PolicyText(name=name)
    if isinstance(written, SourceUnavailableError):
        return PolicyText(name=name, unreadable=Ground(policy=name, why="it could not be read", problem=written))
    try:
        return PolicyText(name=name, statements=parse_policy_text(written))
    except VerificationError as problem:
        return PolicyText(name=name, unreadable=Ground(policy=name, why=f"it is not understood ({problem})"))


def access_to(action: str, policies: Iterable[PolicyText], *, arn: str, account: str) -> Access:
    """Return who may do an action, in lower case, in the repository of an ARN and an account."""
    policies = tuple(policies)
    unread = tuple(one.unreadable for one in policies if one.unreadable is not None)
    allowed, grounds, unclear_grants = _granted(action, policies, arn)
    principals = tuple(dict.fromkeys((account_set(account), *allowed)))
    limit: tuple[PrincipalSet, ...] | None = None
    denials: list[Ground] = []
    unclear: list[Ground] = []
    narrower: list[Ground] = []
    for policy in policies:
        for statement in policy.statements:
            if statement.effect is not Effect.DENY or not statement.covers_action(action):
                continue
            try:
                found = _left_out(policy, statement, arn)
            except Unclear as problem:
                unclear.append(policy.ground(statement, str(problem)))
                continue
            except Narrower as problem:
                narrower.append(policy.ground(statement, str(problem)))
                continue
            if EVERYONE in found:
                narrower.append(policy.ground(statement, "it leaves out every AWS principal"))
                continue
            limit = found if limit is None else intersections(limit, found)
            denials.append(policy.ground(statement))
    return Access(
        principals=principals if limit is None else limit,
        is_denied_to_others=limit is not None,
        grounds=tuple(grounds if limit is None else denials),
        unclear=tuple(unclear_grants + unclear if limit is None else unclear),
        unread=unread if limit is None else (),
        narrower=tuple(narrower),
    )


def _left_out(policy: PolicyText, statement: PolicyStatement, arn: str) -> tuple[PrincipalSet, ...]:
    """Return whom a Deny leaves out; raise Narrower or Unclear where it does not hold for everyone else."""
    covered = statement.covers_resource(arn, needs_one=policy.is_of_registry)
    if covered is None:
        raise Unclear("its resources are not evaluated")
    if not covered:
        raise Narrower("its resources leave out this repository")
    if statement.is_not_principal:
        raise Unclear("NotPrincipal has to name sessions; use a condition on aws:PrincipalArn")
    if not statement.is_about_everyone:
        raise Narrower("it denies only the principals that it names")
    return exempted(statement)


def _granted(
    action: str, policies: Iterable[PolicyText], arn: str
) -> tuple[list[PrincipalSet], list[Ground], list[Ground]]:
    """Return to whom statements allow an action, those statements, and those for everyone under an unknown condition."""
    allowed: list[PrincipalSet] = []
    grounds: list[Ground] = []
    unclear: list[Ground] = []
    for policy, statement in grants(action, policies, arn):
        try:
            found = limited(statement)
        except Unclear as problem:
            unclear.append(policy.ground(statement, str(problem)))
            continue
        allowed += found
        grounds.append(policy.ground(statement))
    return allowed, grounds, unclear


def grants(action: str, policies: Iterable[PolicyText], arn: str) -> Iterable[tuple[PolicyText, PolicyStatement]]:
    """Yield each statement that allows an action in a repository; one whose resources are unclear may."""
    for policy in policies:
        for statement in policy.statements:
            is_about = statement.covers_resource(arn, needs_one=policy.is_of_registry) is not False
            if statement.effect is Effect.ALLOW and is_about and statement.covers_action(action):
                yield policy, statement

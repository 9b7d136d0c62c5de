"""Trust stores, policies and checks that objects name and no file has; and exceptions that have ended."""

from collections.abc import Iterator
from datetime import datetime

from tidegate.cli.lint.objects import LintedObjects, Source
from tidegate.cli.lint.rules import LintFinding, Rule
from tidegate.policy.exceptions import ImagePolicyException, refusal_of
from tidegate.policy.model import ImagePolicy
from tidegate.policy.shape import nearest
from tidegate.policy.trust_problems import trust_problems
from tidegate.policy.trust_stores import TrustSnapshot
from tidegate.strict.quotation import moment

_NOT_READ = "it has not been read yet"
"""The text of ``trust_problems`` about keys in AWS KMS, because lint does not read these."""


def check_references(found: LintedObjects, now: datetime) -> Iterator[LintFinding]:
    """Yield the findings about names in objects."""
    trust = TrustSnapshot.of(found.stores.values())
    policies = {policy.name: policy for _, policy in found.policies}
    for source, policy in found.policies:
        yield from _trust(source, policy, trust)
        yield from _ignored(source, policy, now)
    for source, exception in found.exceptions:
        yield from _exception(source, exception, policies, found.broken, now)


def _trust(source: Source, policy: ImagePolicy, trust: TrustSnapshot) -> Iterator[LintFinding]:
    for problem in trust_problems(policy, trust):
        if problem.endswith(_NOT_READ):
            continue
        is_unknown = problem.endswith(" does not exist")
        name = problem.removesuffix(" does not exist").rpartition(" ")[2]
        near = nearest(name, trust.stores) if is_unknown else None
        add = f"add the TrustStore {name} to the files"
        fix = (
            (f"did you mean {near}?" if near else add) if is_unknown else "correct the TrustStore, or name another one"
        )
        rule = Rule.UNKNOWN_TRUST_STORE if is_unknown else Rule.UNUSABLE_TRUST
        section = "spec.signatures" if policy.signatures is not None else "spec.attestations"
        yield source.finding(rule, _place(source, section, problem), problem, fix)


def _place(source: Source, section: str, problem: str) -> str:
    """Return the path of the authority that a problem begins with."""
    name = problem.removeprefix("authority ").partition(":")[0]
    spec = source.value.value["spec"]
    for index, one in enumerate((spec.get("signatures") or {}).get("anyOf", ())):
        if one.get("name") == name:
            return f"spec.signatures.anyOf[{index}]"
    return section


def _ignored(source: Source, policy: ImagePolicy, now: datetime) -> Iterator[LintFinding]:
    rules = policy.vulnerabilities
    for index, one in enumerate(() if rules is None else rules.ignore):
        if one.until <= now:
            path = f"spec.vulnerabilities.ignore[{index}]"
            message = f"{path}: {one.id} was ignored until {one.until:%Y-%m-%d}, and counts again"
            yield source.finding(Rule.EXPIRED, path, message, "remove the entry, or write a later date in until")


def _exception(
    source: Source,
    exception: ImagePolicyException,
    policies: dict[str, ImagePolicy],
    broken: set[str],
    now: datetime,
) -> Iterator[LintFinding]:
    if not exception.is_active(now):
        message = f"the exception {exception.label} ended at {moment(exception.expires_at)}"
        yield source.finding(Rule.EXPIRED, "spec.expiresAt", message, "delete it, or write a later time in expiresAt")
    for index, name in enumerate(exception.policies):
        path, policy = f"spec.policies[{index}]", policies.get(name)
        if policy is not None:
            yield from _of_policy(source, exception, policy, path, now)
        elif name not in broken:
            near = nearest(name, policies)
            fix = f"did you mean {near}?" if near else f"add the ImagePolicy {name} to the files, or remove the name"
            yield source.finding(Rule.UNKNOWN_POLICY, path, f"{path}: there is no policy {name} in the files", fix)


def _of_policy(
    source: Source, exception: ImagePolicyException, policy: ImagePolicy, path: str, now: datetime
) -> Iterator[LintFinding]:
    if refused := refusal_of(policy, exception, now):
        fix = f"change namespacedExceptions of policy {policy.name}, or limit the exception to what the policy permits"
        yield source.finding(Rule.NOT_PERMITTED, path, f"{path}: {refused}", fix)
    absent = [one.value for one in exception.checks if not _has_check(policy, one.value)]
    if absent:
        message = f"{path}: policy {policy.name} does not check {', '.join(absent)}"
        yield source.finding(Rule.ABSENT_CHECK, path, message, "remove the policy or the check from the exception")
    if exception.vulnerabilities and policy.vulnerabilities is None:
        message = f"{path}: policy {policy.name} does not check vulnerabilities"
        yield source.finding(Rule.ABSENT_CHECK, path, message, "remove the policy from the exception")


def _has_check(policy: ImagePolicy, check: str) -> bool:
    """Tell whether a policy has a check; ``vulnerabilities`` requires a scan too."""
    return getattr(policy, check) is not None or (check == "scan" and policy.vulnerabilities is not None)

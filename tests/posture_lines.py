"""Reports on the posture of repositories, for tests of what shows them."""

from typing import Any

from tidegate.checks.result import Outcome
from tidegate.images.repository import EcrRegistry, EcrRepository
from tidegate.reports.posture_lines import PostureLine, PostureReport, RegistryLines, RepositoryLines

OWN = EcrRegistry("aws", "111122223333", "eu-west-1")
OTHER = EcrRegistry("aws", "444455556666", "us-east-1")
HOSTILE = "<script>alert(1)</script>\u202egnp.exe{{ 7 * 7 }}"


def line(repository: EcrRepository, **changes: Any) -> PostureLine:
    values: dict[str, Any] = {
        "repository": repository,
        "check": "push",
        "outcome": Outcome.FAIL,
        "reason": "PushOpenToAccount",
        "message": "every principal of the account may push",
        "severity": "HIGH",
        "aws_cli": f"aws ecr set-repository-policy --repository-name {repository.name} --policy-text file://p.json",
        "terraform": "aws_ecr_repository_policy.policy",
    }
    return PostureLine(**(values | changes))


def repository(name: str, *lines: dict[str, Any], registry: EcrRegistry = OWN, **more: Any) -> RepositoryLines:
    one = EcrRepository(registry, name)
    values: dict[str, Any] = {"passed": ("encryption",)} | more
    return RepositoryLines(repository=one, lines=tuple(line(one, **changes) for changes in lines), **values)


UNKNOWN: dict[str, Any] = {
    "check": "scanning",
    "outcome": Outcome.UNDETERMINED,
    "reason": "NotRead",
    "severity": "MEDIUM",
    "message": "the scanning of the repository could not be read",
    "cause": "AccessDeniedException: not authorized",
    "aws_cli": "",
    "terraform": "",
}


def estate() -> PostureReport:
    """Two registries with every outcome, one of which could not be listed to its end."""
    own = (
        repository("team/good", passed=("push", "encryption")),
        repository("team/open", {}, {"check": "encryption", "severity": "LOW", "reason": "NotKms"}, running=3),
        repository("team/denied", UNKNOWN),
    )
    other = (repository("shared/base", {"severity": "HIGH", "policy": "production"}, registry=OTHER),)
    return PostureReport(
        registries=(
            RegistryLines(registry=OWN, repositories=own),
            RegistryLines(registry=OTHER, repositories=other, problem="ecr:DescribeRepositories: AccessDenied"),
        )
    )


def hostile() -> PostureReport:
    """Every text that others may choose."""
    changes = dict.fromkeys(
        ("check", "reason", "message", "statement", "aws_cli", "terraform", "cause", "policy"), HOSTILE
    )
    one = RegistryLines(registry=OWN, repositories=(repository(HOSTILE, changes),), problem=HOSTILE)
    return PostureReport(registries=(one,))


def crowd(number: int) -> PostureReport:
    found = tuple(repository(f"team/app{each}", {}) for each in range(number))
    return PostureReport(registries=(RegistryLines(registry=OWN, repositories=found),))

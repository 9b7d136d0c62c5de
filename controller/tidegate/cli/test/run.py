"""Runs test cases: compares the decision on each object with the expected one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import click

from tidegate.admission.decision import Decision
from tidegate.checks.result import Outcome
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.cases.engine import Situation, read_object, review
from tidegate.cli.cases.evidence import CaseSources
from tidegate.cli.cases.model import CasePart, EvidencePart, ExpectPart, RegistryPart, RepositoryPart
from tidegate.cli.cases.moments import parse_moment
from tidegate.cli.cases.read import ReadCases
from tidegate.cli.cases.sources import case_sources
from tidegate.cli.documents import ReadPolicies, read_policies
from tidegate.images.platform import InvalidPlatformError, Platform, parse_platform
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import AnyTrustStore, TrustSnapshot
from tidegate.strict.quotation import log_line
from tidegate.trust.store_content import Content, broken_store, compile_store

P = TypeVar("P", RepositoryPart, RegistryPart)

_NO_KEY: Final = "the case has no evidence.kmsKeys for it"
_NO_ROOT: Final = "the case has no evidence.trustedRoots for it; write one, or set trustedRoot in the TrustStore"


class CaseState(StrEnum):
    """How a case ended. ERROR: it could not be judged, for lack of evidence."""

    PASSED = "Passed"
    FAILED = "Failed"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """The result of one case. ``problems`` say what differs; ``answer`` are the lines that the user would see."""

    file: Path
    suite: str
    name: str
    state: CaseState
    decision: str
    reasons: tuple[str, ...]
    problems: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


def run_cases(files: Sequence[ReadCases], policies: Sequence[Path]) -> list[CaseResult]:
    """Return the result of each case, in order; ``policies`` are files for all of them.

    Raise ArgumentError for a case or policy that cannot be read.
    """
    return [result for file in files for result in _run_file(file, policies)]


def _run_file(file: ReadCases, more: Sequence[Path]) -> Iterator[CaseResult]:
    content, folder = file.content, file.path.parent
    names = tuple(dict.fromkeys((*(folder / one for one in content.policies), *more)))
    if not names:
        click.echo(log_line(f"{file.path} names no policies, so the built-in baseline applies"), err=True)
    policies = read_policies(names)
    seen: set[str] = set()
    for index, case in enumerate(content.cases):
        where = f"{file.path}: cases[{index}]"
        if case.name in seen:
            raise ArgumentError(f"{where}.name: {case.name} appears twice; give each case its own name")
        seen.add(case.name)
        try:
            yield _run(file, case, policies)
        except ArgumentError as problem:
            raise ArgumentError(f"{where} ({case.name}): {problem}") from problem


def _run(file: ReadCases, case: CasePart, policies: ReadPolicies) -> CaseResult:
    content = file.content
    now = parse_moment(case.now, "now", None) or parse_moment(content.now, "now", None) or datetime.now(UTC)
    evidence = merged(content.evidence, case.evidence)
    sources = case_sources(evidence, now)
    snapshot = PolicySnapshot.of(policies.policies, _trust(policies, evidence), policies.exceptions)
    obj = read_object(case.object, file.path.parent)
    situation = _situation(case, obj.get("metadata"), policies, content.platforms, now)
    decision = review(obj, snapshot, sources, situation, now=now)
    return _result(file, case, decision, sources)


def merged(shared: EvidencePart, own: EvidencePart) -> EvidencePart:
    """Return the evidence of a case: its own repositories and registries in place of those of the file with the same name."""
    return EvidencePart(
        repositories=_replaced(shared.repositories, own.repositories),
        registries=_replaced(shared.registries, own.registries),
        signer=[*shared.signer, *own.signer],
        ocsp=[*shared.ocsp, *own.ocsp],
        crls=[*shared.crls, *own.crls],
        kms_keys=[*shared.kms_keys, *own.kms_keys],
        trusted_roots=[*shared.trusted_roots, *own.trusted_roots],
    )


def _replaced(shared: Iterable[P], own: Iterable[P]) -> list[P]:
    names = {one.name for one in own}
    return [one for one in shared if one.name not in names] + list(own)


def _situation(
    case: CasePart, metadata: object, policies: ReadPolicies, platforms: Iterable[str], now: datetime
) -> Situation:
    """Return the namespace of a case, or that of its object, with its labels in the case or in the policies' files."""
    name = metadata.get("namespace") if isinstance(metadata, dict) else None
    name = case.namespace.name if case.namespace is not None else name
    if not isinstance(name, str) or not name:
        name = "default"
    labels = case.namespace.labels if case.namespace is not None else None
    return Situation(
        namespace=name,
        labels=policies.labels.get(name) if labels is None else labels,
        platforms=tuple(map(_platform, platforms)),
        running_since=parse_moment(case.running_since, "runningSince", now),
    )


def _platform(text: str) -> Platform:
    try:
        return parse_platform(text)
    except InvalidPlatformError as problem:
        raise ArgumentError(f"platforms: {problem}") from problem


def _trust(policies: ReadPolicies, evidence: EvidencePart) -> TrustSnapshot:
    """Return the trust stores of the files; trusted roots and keys come from the evidence instead of being fetched."""
    keys = {one.arn: one.pem.encode() for one in evidence.kms_keys}
    roots = {one.trust_store: one.content.encode() for one in evidence.trusted_roots}
    fetched: list[AnyTrustStore] = [
        compile_store(one, Content(files=(("trustedRoot", roots[one.name]),))).store
        if one.name in roots
        else broken_store(one, (_NO_ROOT,)).store
        for one in policies.trust.to_fetch
    ]
    return TrustSnapshot.of(
        (*policies.trust.stores, *fetched), {arn: keys.get(arn, _NO_KEY) for arn in policies.trust.keys}
    )


def _result(file: ReadCases, case: CasePart, decision: Decision, sources: CaseSources) -> CaseResult:
    found, reasons = decision_word(decision), reasons_of(decision)
    every = tuple(dict.fromkeys(reason for one in reasons.values() for reason in one))
    message = "" if decision.response.status is None else decision.response.status.message
    answer = (*message.splitlines(), *decision.response.warnings)
    problems = tuple(_differences(case.expect, found, reasons, "\n".join(answer)))
    unexpected = _undetermined(decision, case.expect)
    state = CaseState.FAILED if problems else CaseState.PASSED
    if unexpected:
        problems = (f"could not be judged: {', '.join(unexpected)}", *problems)
        state = CaseState.ERROR
    return CaseResult(
        file=file.path,
        suite=file.content.metadata.name,
        name=case.name,
        state=state,
        decision=found,
        reasons=every,
        problems=problems,
        answer=answer,
        lacking=tuple(sources.lacking),
    )


def decision_word(decision: Decision) -> str:
    """Return the decision in one word. If no policy applies to an image, it is NotJudged, and never Allowed."""
    if not decision.response.allowed:
        return "Denied"
    if not decision.verdicts or not all(one.judgements for one in decision.verdicts):
        return "NotJudged"
    if decision.response.warnings:
        return "Warned"
    return "Audited" if any(one.records for one in decision.verdicts) else "Allowed"


def reasons_of(decision: Decision) -> dict[str, tuple[str, ...]]:
    """Return the reason codes of the results of each image that do not pass, each once."""
    return {
        verdict.text: tuple(
            sorted(
                {
                    result.reason.value
                    for one in verdict.judgements
                    for result in one.results
                    if result.outcome is not Outcome.PASS
                }
            )
        )
        for verdict in decision.verdicts
    }


def _differences(expect: ExpectPart, found: str, reasons: dict[str, tuple[str, ...]], answer: str) -> Iterator[str]:
    if found != expect.decision:
        yield f"decision: expected {expect.decision}, got {found}"
    if expect.reasons is not None:
        every = {reason for one in reasons.values() for reason in one}
        yield from _difference("reasons", expect.reasons, every)
    for image, wanted in expect.images.items():
        if image in reasons:
            yield from _difference(f"images[{image}]", wanted, set(reasons[image]))
        else:
            yield f"images[{image}]: the object has no such image, or no policy applies to its namespace"
    for part in expect.message:
        if part not in answer:
            yield f"message: expected {part!r} in the answer"


def _difference(what: str, expected: Sequence[str], got: set[str]) -> Iterator[str]:
    if set(expected) != got:
        yield f"{what}: expected {_listed(expected)}, got {_listed(got)}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _undetermined(decision: Decision, expect: ExpectPart) -> list[str]:
    """Return the undetermined results that the case does not expect: without evidence, a decision proves nothing."""
    named = set(expect.reasons or ())
    return sorted(
        {
            f"{result.check.value} {result.reason.value}"
            for verdict in decision.verdicts
            for one in verdict.judgements
            for result in one.results
            if result.outcome is Outcome.UNDETERMINED
            and result.reason.value not in named.union(expect.images.get(verdict.text, ()))
        }
    )

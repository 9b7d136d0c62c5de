"""Exceptions and any policies and evidence: what is excepted is named whole by one exception, and the rest stays as it was."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit import strategies as some
from tests.unit.admission.test_model import EXAMPLES, some_images, some_policies
from tests.unit.builders import DAY, NOW, ecr, exception, globs, host, moment
from tidegate.admission.plan import judge_plan, make_plan
from tidegate.admission.verdict import ImageVerdict, Judgement
from tidegate.checks.result import Check, Outcome
from tidegate.policy.exceptions import ImagePolicyException
from tidegate.policy.match import any_scope_contains
from tidegate.policy.model import ExceptableCheck
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.policy.trust_stores import NO_TRUST

NAMESPACES = ("shop", "bank")
IDS = ("CVE-2026-0001", "CVE-2026-0002")
CHECKS = st.lists(st.sampled_from(list(ExceptableCheck)), min_size=1, max_size=3, unique=True).map(tuple)
SCOPES = st.sampled_from([(ecr(),), (ecr("team/*"),), (ecr("other/**"),), (host("ghcr.io"),), (ecr(), host("ghcr.io"))])


@st.composite
def exceptions_from(draw: st.DrawFn, policies: Any) -> list[ImagePolicyException]:
    names = sorted({policy.name for policy in policies}) or ["none"]
    made = []
    for number in range(draw(st.integers(0, 4))):
        by_id = draw(st.booleans())
        made.append(
            exception(
                f"e{number}",
                policies=(draw(st.sampled_from(names)),),
                images=draw(SCOPES),
                namespaces=globs(draw(st.sampled_from(NAMESPACES))),
                expires_at=NOW + draw(st.sampled_from([-DAY, timedelta(0), timedelta(seconds=1), DAY])),
                vulnerabilities=(draw(st.sampled_from(IDS)),) if by_id else (),
                checks=() if by_id else draw(CHECKS),
            )
        )
    return made


def verdict(policies: Any, exceptions: Any, text: str, collected: Any, namespace: str, nodes: Any) -> ImageVerdict:
    found = PolicySnapshot.of(policies, NO_TRUST, exceptions).for_namespace(namespace, {})
    return judge_plan(make_plan(text, found, nodes), collected, now=NOW, monotonic=moment(NOW), audit_only=False)


def reaching(one: ImagePolicyException, judgement: Judgement, reference: Any, namespace: str) -> bool:
    """Whether the exception is from this policy, for this image, here and now."""
    return (
        judgement.policy.name in one.policies
        and any_scope_contains(one.images, reference)
        and any(glob.text == namespace for glob in one.namespaces)
        and one.expires_at > NOW
    )


@EXAMPLES
@given(some_policies, some_images, some.NODES, st.sampled_from(NAMESPACES), st.data())
def test_what_is_excepted_is_named_whole_by_one_exception_and_the_rest_stays_as_it_was(
    policies, images, nodes, namespace, data
):
    given_ones = data.draw(exceptions_from(policies))
    for text, collected in images.items():
        plain = verdict(policies, (), text, collected, namespace, nodes)
        excepted = verdict(policies, given_ones, text, collected, namespace, nodes)
        reference = make_plan(text, PolicySnapshot.of(policies).for_namespace(namespace, {}), nodes).reference
        for before, after in zip(plain.judgements, excepted.judgements, strict=True):
            near = (
                [] if reference is None else [one for one in given_ones if reaching(one, after, reference, namespace)]
            )
            if not near:
                assert after.results == before.results
            for result in after.results:
                if not result.exceptions:
                    assert result.outcome is not Outcome.EXEMPT or result in before.results
                    continue
                named = [one for one in near if one.label in result.exceptions]
                assert len(named) == len(result.exceptions)
                whole = any(result.check.value in one.checks for one in named)
                by_id = result.check is Check.VULNERABILITIES and all(one.vulnerabilities for one in named)
                assert whole or by_id
                assert result.holds_until is not None
                assert all(result.holds_until <= one.expires_at for one in named)
        assert excepted.denied <= plain.denied

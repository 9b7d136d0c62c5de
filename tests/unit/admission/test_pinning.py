"""Digest pinning: which images of a Pod get a digest, that it is the judged one, and that nothing else is changed."""

import base64
import copy
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.admission.fakes import (
    BAD,
    UID,
    UNKNOWN,
    FakeClock,
    FakeEvidence,
    FakeNamespaces,
    FakePlatforms,
    FakePolicies,
    body,
)
from tests.unit.builders import (
    DIGEST,
    HOST,
    HOUR,
    IMAGE,
    MINUTE,
    PINNED,
    detail,
    digest,
    ecr,
    evidence,
    full_policy,
    globs,
    host,
    known,
    missing,
    policy,
    settings,
)
from tidegate.admission.pinning import Pinner, pinned_reference
from tidegate.admission.request import MAX_IMAGES, BadReviewError
from tidegate.admission.reviewer import ANSWER_MARGIN_SECONDS
from tidegate.evidence.fact import Cause
from tidegate.evidence.image import Absence
from tidegate.evidence.repository import TagMutability
from tidegate.policy.model import Action, Match, ScanRules, SelectorOperator, SelectorRequirement, TagRules
from tidegate.policy.snapshot import PolicySnapshot

ANY = policy(scan=ScanRules())
WARNING = full_policy(actions=frozenset({Action.WARN}))
PINNED_TAG = f"{IMAGE}@{DIGEST}"
MUTABLE = evidence(settings=settings(TagMutability.MUTABLE), valid_until=float("inf"))
LISTS = {"containers": "image", "initContainers": "image", "ephemeralContainers": "image"}


@dataclass
class World:
    """A pinner and all that it is given."""

    policies: FakePolicies
    clock: FakeClock = field(default_factory=FakeClock)
    namespaces: FakeNamespaces = field(default_factory=FakeNamespaces)
    evidence: FakeEvidence = field(default_factory=FakeEvidence)

    async def response(self, request: bytes) -> dict[str, Any]:
        pinner = Pinner(
            policies=self.policies,
            namespaces=self.namespaces,
            platforms=FakePlatforms(),
            evidence=self.evidence,
            clock=self.clock,
        )
        answer = pinner.review(request, 10.0)
        review = json.loads(answer if isinstance(answer, bytes) else await answer)
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = review["response"]
        assert (response["uid"], response["allowed"]) == (UID, True)
        return response

    async def patch(self, request: bytes) -> list[dict[str, str]]:
        return patch_of(await self.response(request))

    async def mutated(self, pod: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return the Pod as the API server stores it."""
        return patched(pod, await self.patch(body(object=pod, **changes)))


def world(*policies: Any) -> World:
    return World(FakePolicies(PolicySnapshot.of(policies or (ANY,))))


def patch_of(response: dict[str, Any]) -> list[dict[str, str]]:
    if "patch" not in response:
        assert "patchType" not in response
        return []
    assert response["patchType"] == "JSONPatch"
    operations: list[dict[str, str]] = json.loads(base64.b64decode(response["patch"], validate=True))
    return operations


def patched(pod: dict[str, Any], operations: list[dict[str, str]]) -> dict[str, Any]:
    """Apply a JSON patch of ``test`` and ``replace`` operations (RFC 6902)."""
    result: dict[str, Any] = copy.deepcopy(pod)
    for operation in operations:
        *parents, last = operation["path"].removeprefix("/").split("/")
        place: Any = result
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if operation["op"] == "test":
            assert place[last] == operation["value"]
        else:
            assert operation["op"] == "replace"
            assert last in place
            place[last] = operation["value"]
    return result


async def test_a_tag_gets_the_digest_of_its_evidence_and_each_change_is_tested_first():
    assert await world().patch(body(IMAGE)) == [
        {"op": "test", "path": "/spec/containers/0/image", "value": IMAGE},
        {"op": "replace", "path": "/spec/containers/0/image", "value": PINNED_TAG},
    ]


async def test_the_audit_log_names_what_was_pinned():
    response = await world().response(body(IMAGE))
    assert response["auditAnnotations"] == {"pinned": PINNED_TAG}


@pytest.mark.parametrize("image", [PINNED, PINNED_TAG])
async def test_an_image_with_a_digest_is_untouched_and_not_looked_up(image):
    one = world()
    assert await one.patch(body(image)) == []
    assert one.evidence.looked_up == []


async def test_every_place_of_an_image_is_pinned():
    pod = {
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{"name": "a", "image": PINNED}, {"name": "b", "image": IMAGE}],
            "initContainers": [{"name": "c", "image": IMAGE}],
            "volumes": [{"name": "v"}, {"name": "w", "image": {"reference": IMAGE}}],
        },
    }
    spec = (await world().mutated(pod))["spec"]
    assert [one["image"] for one in spec["containers"]] == [PINNED, PINNED_TAG]
    assert spec["initContainers"][0]["image"] == PINNED_TAG
    assert spec["volumes"][1]["image"]["reference"] == PINNED_TAG


async def test_an_added_ephemeral_container_is_pinned_and_those_that_are_stored_are_not():
    """The API server refuses a change of a stored one."""
    stored = {"containers": [{"name": "a", "image": IMAGE}], "ephemeralContainers": [{"name": "old", "image": IMAGE}]}
    added = copy.deepcopy(stored)
    added["ephemeralContainers"].append({"name": "new", "image": IMAGE})
    changes = {"operation": "UPDATE", "subResource": "ephemeralcontainers", "oldObject": {"spec": stored}}
    spec = (await world().mutated({"spec": added}, **changes))["spec"]
    assert spec["containers"] == stored["containers"]
    assert [one["image"] for one in spec["ephemeralContainers"]] == [IMAGE, PINNED_TAG]


async def test_an_update_leaves_the_images_that_the_pod_has():
    """A container would be restarted."""
    other = f"{HOST}/team/other:v1"
    patch = await world().patch(body(IMAGE, other, operation="UPDATE", old=[IMAGE, "old:1"]))
    assert [one["path"] for one in patch] == ["/spec/containers/1/image"] * 2


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
async def test_other_operations_are_answered_without_work(operation):
    one = world()
    assert await one.patch(body(operation=operation)) == []


async def test_a_workload_keeps_its_tags():
    template = {"spec": {"containers": [{"name": "a", "image": IMAGE}]}}
    request = body(
        kind={"group": "apps", "version": "v1", "kind": "Deployment"},
        resource={"group": "apps", "version": "v1", "resource": "deployments"},
        object={"spec": {"template": template}},
    )
    assert await world().patch(request) == []


async def test_the_mirror_of_a_static_pod_keeps_its_tags():
    """The kubelet runs what its file says."""
    assert await world().patch(body(IMAGE, userInfo={"username": "system:node:worker-1"})) == []


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(UNKNOWN, id="AWS does not answer"),
        pytest.param(evidence(detail=Absence.IMAGE), id="no such image"),
        pytest.param(evidence(detail=missing()), id="unreachable"),
    ],
)
@pytest.mark.parametrize("rules", [ANY, WARNING], ids=["deny", "warn"])
async def test_an_image_that_cannot_be_resolved_is_left(found, rules):
    one = world(rules)
    one.evidence.otherwise = found
    assert await one.patch(body(IMAGE)) == []


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(policy(tags=TagRules(immutable=True)), id="immutable"),
        pytest.param(policy(tags=TagRules(digest_required=True), scan=ScanRules()), id="digest required"),
        pytest.param(policy(tags=TagRules(forbidden=globs("v*")), scan=ScanRules()), id="forbidden tag"),
    ],
)
async def test_what_a_policy_refuses_by_its_tag_stays_refused(rules):
    """The validating webhook lets every tag pass that has a digest, so a digest must not be added to such a tag."""
    one = world(rules)
    one.evidence.otherwise = MUTABLE
    assert await one.patch(body(IMAGE)) == []


async def test_a_policy_that_only_warns_about_a_mutable_tag_does_not_prevent_its_pinning():
    one = world(WARNING)
    one.evidence.otherwise = MUTABLE
    assert await one.mutated({"spec": {"containers": [{"image": IMAGE}]}}) == {
        "spec": {"containers": [{"image": PINNED_TAG}]}
    }


async def test_an_image_that_is_refused_is_left_so_that_the_refusal_names_what_the_user_wrote():
    one = world(full_policy())
    one.evidence.answers[IMAGE] = BAD
    assert await one.patch(body(IMAGE)) == []


async def test_an_image_that_is_admitted_by_its_tag_is_not_pinned_to_be_refused_by_its_digest():
    """During an outage the evidence of the tag may be remembered, and nothing of the digest."""
    one = world()
    one.evidence.answers[PINNED_TAG] = UNKNOWN
    assert await one.patch(body(IMAGE)) == []
    assert one.evidence.looked_up == [IMAGE, PINNED_TAG]


async def test_a_digest_that_the_registry_answers_with_another_one_is_not_used():
    one = world(WARNING)
    one.evidence.answers[PINNED_TAG] = evidence(detail=detail(digest=digest("another")))
    assert await one.patch(body(IMAGE)) == []


@pytest.mark.parametrize(("old", "is_pinned"), [(HOUR, True), (HOUR + 2 * MINUTE, False)], ids=["within", "beyond"])
@pytest.mark.parametrize("rules", [ANY, WARNING], ids=["deny", "warn"])
async def test_the_last_known_digest_is_used_within_max_stale_and_no_longer(old, is_pinned, rules):
    one = world(rules)
    stale = known(detail(), old=old, stale=Cause.UNREACHABLE)
    one.evidence.answers[IMAGE] = evidence(detail=stale, valid_until=1.0)
    assert bool(await one.patch(body(IMAGE))) is is_pinned


async def test_only_images_that_a_policy_looks_up_are_resolved():
    one = world(policy(registries=(ecr(),), scan=ScanRules()))
    assert await one.patch(body("nginx", "ghcr.io/team/app:v1", "localhost:5000/app")) == []
    assert one.evidence.looked_up == []


async def test_without_a_policy_nothing_is_pinned():
    one = world(policy(scan=ScanRules(), match=Match(namespaces=globs("elsewhere"))))
    assert await one.patch(body(IMAGE)) == []
    assert one.evidence.looked_up == []


async def test_before_the_policies_are_read_nothing_is_pinned():
    one = world()
    one.policies.snapshot = PolicySnapshot.unsynced()
    assert await one.patch(body(IMAGE)) == []


async def test_the_look_ups_count_for_the_namespace_and_end_at_the_deadline_of_the_request():
    one = world()
    await one.patch(body(IMAGE, namespace="shop"))
    assert set(one.evidence.shares) == {"shop"}
    assert {deadline for _, deadline in one.evidence.asked} == {one.clock.seconds + 10.0 - ANSWER_MARGIN_SECONDS}


async def test_remembered_evidence_is_used_and_renewed_without_a_look_up():
    one = world()
    fresh = evidence(valid_until=float("inf"))
    one.evidence.remembered = {IMAGE: fresh, PINNED_TAG: fresh}
    assert await one.patch(body(IMAGE))
    assert one.evidence.looked_up == []
    assert one.evidence.renewed == [IMAGE, PINNED_TAG]


@pytest.mark.parametrize("is_known", [True, False])
async def test_aws_is_waited_for_as_long_as_usual_only_where_old_evidence_is_remembered(is_known):
    one = world()
    if is_known:
        old = evidence(valid_until=1.0)
        one.evidence.remembered = {IMAGE: old, PINNED_TAG: old}
    await one.patch(body(IMAGE))
    assert one.evidence.patience == [not is_known] * 2


@pytest.mark.parametrize(("labels", "is_pinned"), [({"team": "a"}, True), ({}, False), (None, True)])
async def test_the_labels_of_a_new_namespace_are_fetched_and_unknown_ones_are_selected(labels, is_pinned):
    selector = SelectorRequirement(key="team", operator=SelectorOperator.EXISTS)
    one = world(policy(match=Match(namespace_selector=(selector,)), scan=ScanRules()))
    one.namespaces.fetched = {} if labels is None else {"shop": labels}
    assert bool(await one.patch(body(IMAGE))) is is_pinned
    assert one.namespaces.deadlines == [one.clock.seconds + 10.0 - ANSWER_MARGIN_SECONDS]


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(body(IMAGE, object={"spec": {"containers": 1}}), id="unreadable object"),
        pytest.param(body(*[f"{HOST}/a{one}:v1" for one in range(MAX_IMAGES + 1)]), id="too many images"),
        pytest.param(body(IMAGE, kind={"group": "x", "version": "v1", "kind": "Y"}), id="unknown kind"),
    ],
)
async def test_what_cannot_be_read_is_left_to_the_validating_webhook(request_body):
    assert await world().patch(request_body) == []


async def test_a_request_without_a_uid_is_a_bad_one():
    with pytest.raises(BadReviewError):
        await world().response(b"{}")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (IMAGE, IMAGE),
        (f"{HOST}/team/app", f"{HOST}/team/app:latest"),
        (f"{HOST}:443/team/app", f"{HOST}:443/team/app:latest"),
        (f"{HOST}:443/team/app:v1", f"{HOST}:443/team/app:v1"),
        ("nginx", "nginx:latest"),
        ("nginx:1.27", "nginx:1.27"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
    ],
)
def test_the_tag_is_written_before_the_digest(text, written):
    assert pinned_reference(text, DIGEST) == f"{written}@{DIGEST}"


@pytest.mark.parametrize("text", ["", PINNED, PINNED_TAG, f"{HOST}/Team:1", f"{HOST}:80/app:v1", "a" * 64, "x" * 2000])
def test_what_is_no_reference_by_tag_alone_is_not_pinned(text):
    assert pinned_reference(text, DIGEST) is None


def test_a_reference_that_would_become_too_long_is_not_pinned():
    long = "a" * 63
    text = f"{'.'.join([long] * 12)}/{'b' * 200}:v1"
    assert len(text) < 1024
    assert pinned_reference(text, DIGEST) is None


IMAGES = st.sampled_from(
    [
        IMAGE,
        PINNED,
        PINNED_TAG,
        f"{HOST}/team/b",
        f"{HOST}:443/c/d:v1",
        "nginx",
        "ghcr.io/a/b:1",
        "",
        "Not/valid",
        "a@b",
    ]
)
OTHER = st.dictionaries(st.sampled_from(["name", "env", "command"]), st.text(max_size=3))


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"nodeName": draw(st.text(max_size=3))}
    for name in LISTS:
        images = draw(st.lists(IMAGES, min_size=int(name == "containers"), max_size=4))
        spec[name] = [{**draw(OTHER), "image": image} for image in images]
    volumes = draw(st.lists(st.one_of(st.none(), IMAGES), max_size=3))
    spec["volumes"] = [{"name": "v"} | ({} if one is None else {"image": {"reference": one}}) for one in volumes]
    return {"metadata": {"name": "web", "labels": draw(OTHER)}, "spec": spec}


def texts_of(pod: dict[str, Any]) -> list[str]:
    spec = pod["spec"]
    images = [one["image"] for name in LISTS for one in spec[name]]
    return images + [one["image"]["reference"] for one in spec["volumes"] if "image" in one]


def emptied(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the Pod without its images."""
    result: dict[str, Any] = copy.deepcopy(pod)
    for name in LISTS:
        for one in result["spec"][name]:
            one["image"] = None
    for one in result["spec"]["volumes"]:
        if "image" in one:
            one["image"] = None
    return result


@given(pod=pods())
async def test_exactly_the_tags_that_are_looked_up_are_pinned_and_all_else_is_unchanged(pod):
    one = world(policy(registries=(ecr(), host("ghcr.io")), scan=ScanRules()))
    after = await one.mutated(pod)
    expected = {IMAGE: PINNED_TAG, f"{HOST}/team/b": f"{HOST}/team/b:latest@{DIGEST}"}
    expected[f"{HOST}:443/c/d:v1"] = f"{HOST}:443/c/d:v1@{DIGEST}"
    assert texts_of(after) == [expected.get(text, text) for text in texts_of(pod)]
    assert emptied(after) == emptied(pod)
    assert await one.patch(body(object=after)) == [], "the second time changes nothing"

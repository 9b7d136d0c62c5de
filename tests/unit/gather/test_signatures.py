"""On whose behalf signatures are searched for, how many of them are kept, and what their search takes from other calls."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from tests.unit.gather.fakes import APP, build_limiters, detail
from tests.unit.gather.virtual_time import LateExecutor
from tidegate.evidence.content import StoredManifest
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.evidence.image_evidence import RENEWED_SHARE
from tidegate.evidence.needs import needs
from tidegate.evidence.signature_artifacts import (
    ArtifactKind,
    FoundArtifacts,
    SignatureArtifact,
    SkippedArtifact,
    SkipReason,
    WantedArtifacts,
)
from tidegate.evidence.verification_result import Attempt, VerificationState
from tidegate.gather import collector as collector_module
from tidegate.gather import signature_verifications as proving
from tidegate.gather import signatures
from tidegate.gather.api_limiters import REGISTRY_SEARCHES, THREADS
from tidegate.gather.ask import GET, RENEW, Peek, at_once
from tidegate.gather.collector import Collector
from tidegate.gather.lifetimes import FOUND_SECONDS, NOT_VERIFIED_SECONDS, PARTIAL_SECONDS
from tidegate.gather.lookups import DetailKey, Lookups
from tidegate.gather.shares import Claim, on_behalf_of
from tidegate.gather.signatures import MAX_SEARCHED_FOR, Signatures
from tidegate.images.digest import Digest, digest_of
from tidegate.images.image_id import ImageId
from tidegate.images.manifest import OCI_INDEX, OCI_MANIFEST
from tidegate.images.platform import parse_platform
from tidegate.images.reference import parse_reference
from tidegate.images.repository import EcrRepository
from tidegate.policy.signatures import NotationAuthority
from tidegate.policy.trust_stores import NO_TRUST
from tidegate.signing.requirements import Requirement
from tidegate.signing.verifier import Examination


class Source:
    """Finds one signature of the given size beside each image; ``wanted`` notes what it was asked for."""

    def __init__(self) -> None:
        self.wanted: list[WantedArtifacts] = []
        self.size = 10
        self.answers: list[FoundArtifacts] = []

    def find_artifacts(
        self, _repository: EcrRepository, digest: Digest, *, wanted: WantedArtifacts, seconds: float
    ) -> FoundArtifacts:
        self.wanted.append(wanted)
        if self.answers:
            return self.answers.pop(0)
        one = SignatureArtifact(
            kind=ArtifactKind.NOTATION,
            envelope=bytes(self.size),
            envelope_media_type="application/jose+json",
            envelope_digest=digest,
            manifest_digest=digest,
            subject=None,
        )
        return FoundArtifacts(artifacts=(one,), skipped=(), complete=True)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def images(aws) -> list[Digest]:
    """Images that are stored, more than may be searched for at once."""
    contents = [b"image %d" % each for each in range(2 * THREADS)]
    for each in contents:
        aws.manifests[digest_of(each)] = StoredManifest(content=each, media_type=OCI_MANIFEST)
    return [digest_of(each) for each in contents]


@pytest.fixture(autouse=True)
def trusting(monkeypatch) -> None:
    """Each authority's verifier trusts one certificate, of its own name, and takes every signature for good."""

    def prepare(requirement: Requirement) -> Any:
        name = requirement.authority.name
        return SimpleNamespace(
            thumbprints=frozenset({name}),
            predicates=frozenset({f"{name}/v1"}),
            verify=lambda artifact, *_, **__: _verified(artifact),
        )

    for module in (signatures, proving):
        monkeypatch.setattr(module, "prepare", prepare)


def _verified(artifact: SignatureArtifact) -> Examination:
    return Examination(attempt=Attempt(manifest_digest=artifact.manifest_digest, state=VerificationState.VERIFIED))


@pytest.fixture
async def build(aws, source, limiters, clock, executor) -> Callable[[int], Signatures]:
    def make(limit: int) -> Signatures:
        facts = Lookups(sources=replace(aws.sources(), signatures=source), limiters=limiters, clock=clock, limit=limit)
        facts.verifications._executor = executor
        return facts.signatures

    return make


@pytest.fixture
async def found(build) -> Signatures:
    made: Signatures = build(1_000)
    return made


def requirements(*names: str) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(
            authority=NotationAuthority(name=name, trust_stores=("ca",), trusted_identities=("*",)), trust=NO_TRUST
        )
        for name in names
    )


def orders(source: Source) -> list[set[str]]:
    return [set(each.thumbprints) for each in source.wanted]


async def test_a_search_begins_with_what_those_who_ask_trust(found, source, images):
    await found.verify(GET, APP, images[0], requirements("release", "vendor"))
    assert orders(source) == [{"release", "vendor"}]
    assert [set(each.predicates) for each in source.wanted] == [{"release/v1", "vendor/v1"}]


async def test_so_does_the_search_that_renews_what_is_known(found, source, images, clock):
    """Nobody waits for that one; without its order the right signature could be the one too many."""
    wanted = requirements("release")
    await found.verify(GET, APP, images[0], wanted)
    clock.advance(FOUND_SECONDS * (1 - RENEWED_SHARE) + 1)
    at_once(found.verify(RENEW, APP, images[0], wanted))
    await asyncio.sleep(1)
    assert orders(source) == [{"release"}, {"release"}]


async def test_on_whose_behalf_is_not_noted_for_ever(found, images):
    for each in range(MAX_SEARCHED_FOR + 5):
        at_once(found.verify(RENEW, APP, digest_of(b"%d" % each), requirements("release")))
    assert len(found._searched_for) == MAX_SEARCHED_FOR


async def test_as_many_signatures_are_kept_as_there_is_room_for(build, source, images, monkeypatch):
    """Who pushes chooses their size, so it is not the number of images that bounds memory."""
    monkeypatch.setattr(signatures, "MAX_KEPT_BYTES", 1_000)
    found = build(50)
    source.size = 400
    for image in images[:3]:
        await found.verify(GET, APP, image, requirements("release"))
    assert len(found.artifacts) == 2
    source.size = 1
    for image in images:
        await found.verify(GET, APP, image, requirements("release"))
    assert len(found.artifacts) == 50


def partial_find(reason: SkipReason, *envelopes: bytes) -> FoundArtifacts:
    """What a search found that could not look at everything."""
    left = SkippedArtifact(what="the rest", reason=reason, detail="no time", cause=Cause.DEADLINE)
    return FoundArtifacts(artifacts=tuple(map(artifact, envelopes)), skipped=(left,), complete=False)


def whole_find(*envelopes: bytes) -> FoundArtifacts:
    return FoundArtifacts(artifacts=tuple(map(artifact, envelopes)), skipped=(), complete=True)


def artifact(envelope: bytes) -> SignatureArtifact:
    return SignatureArtifact(
        kind=ArtifactKind.NOTATION,
        envelope=envelope,
        envelope_media_type="application/jose+json",
        envelope_digest=digest_of(envelope),
        manifest_digest=digest_of(envelope),
        subject=None,
    )


KEY = (APP, digest_of(b"image 0"), frozenset({ArtifactKind.NOTATION}))


@pytest.mark.parametrize(
    "reason", [SkipReason.UNAVAILABLE, SkipReason.OVER_LIMIT], ids=["outage", "too much to look at"]
)
@pytest.mark.parametrize("envelopes", [(), (b"other",)], ids=["nothing", "something else"])
async def test_a_search_that_saw_less_takes_the_place_of_no_complete_one(found, source, clock, reason, envelopes):
    source.answers = [whole_find(b"good"), partial_find(reason, *envelopes)]
    await found.artifacts.get(KEY)
    clock.advance(FOUND_SECONDS + 1)

    fact, _ = await found.artifacts.get(KEY)

    assert isinstance(fact, Known)
    assert [one.envelope for one in fact.value.artifacts] == [b"good"]
    assert fact.stale is Cause.DEADLINE


async def test_a_first_search_that_could_not_look_at_everything_counts_for_what_it_saw(found, source, clock):
    """A valid signature is as good as ever; but it is looked again at once."""
    source.answers = [partial_find(SkipReason.UNAVAILABLE, b"good"), whole_find(b"good", b"better")]
    fact, until = await found.artifacts.get(KEY)
    assert isinstance(fact, Known)
    assert [one.envelope for one in fact.value.artifacts] == [b"good"]
    assert until <= clock.monotonic() + PARTIAL_SECONDS


async def test_a_first_search_that_saw_nothing_for_an_outage_is_no_answer(found, source):
    source.answers = [partial_find(SkipReason.UNAVAILABLE)]
    fact, _ = await found.artifacts.get(KEY)
    assert isinstance(fact, Missing)
    assert fact.cause is Cause.DEADLINE


async def test_a_first_search_that_saw_nothing_for_all_that_was_pushed_is_an_answer(found, source):
    source.answers = [partial_find(SkipReason.OVER_LIMIT)]
    fact, _ = await found.artifacts.get(KEY)
    assert isinstance(fact, Known)
    assert fact.value.artifacts == ()


async def test_who_pushes_too_much_to_look_at_has_nothing_known_get_too_old(found, source, clock):
    """Evidence beyond what a policy accepts would be "not known", which another policy tolerates."""
    source.answers = [whole_find(b"junk"), *[partial_find(SkipReason.OVER_LIMIT, b"more junk")] * 5]
    await found.artifacts.get(KEY)
    for _ in range(4):
        clock.advance(FOUND_SECONDS + 1)
        fact, _ = await found.artifacts.get(KEY)
    assert isinstance(fact, Known)
    assert (fact.stale, [one.envelope for one in fact.value.artifacts]) == (None, [b"more junk"])


async def test_a_complete_search_that_saw_less_is_believed(found, source, clock):
    source.answers = [whole_find(b"good"), whole_find()]
    await found.artifacts.get(KEY)
    clock.advance(FOUND_SECONDS + 1)
    fact, _ = await found.artifacts.get(KEY)
    assert isinstance(fact, Known)
    assert fact.value.artifacts == ()


async def test_searches_leave_room_for_the_registrys_other_calls(aws, source, clock, seen, images):
    """A storage that hangs holds up searches, and no images of policies that want no signature."""
    executor = LateExecutor(seconds=60.0)
    limiters = build_limiters(clock, executor, seen)
    facts = Lookups(sources=replace(aws.sources(), signatures=source), limiters=limiters, clock=clock, limit=1_000)
    searches = []
    for number, image in enumerate(images):
        with on_behalf_of(Claim(f"namespace-{number % 2}")):
            searches.append(asyncio.ensure_future(facts.signatures.artifacts.get((APP, image, frozenset()))))
    await asyncio.sleep(1)
    assert executor.running == REGISTRY_SEARCHES
    executor.seconds = 0.1
    began = clock.monotonic()
    await facts.details.get(DetailKey(APP, ImageId.of_tag("v1")))
    assert clock.monotonic() - began < 1
    await asyncio.gather(*searches)


def test_the_size_of_a_signature_counts_all_that_a_stranger_may_make_long():
    artifact = SignatureArtifact(
        kind=ArtifactKind.COSIGN_SIGNATURE,
        envelope=bytes(100),
        envelope_media_type="text/plain",
        envelope_digest=digest_of(b""),
        manifest_digest=digest_of(b""),
        subject=None,
        layer_annotations={"a" * 10: "b" * 20},
        manifest_annotations={"c" * 30: "d" * 40},
    )
    assert artifact.size == 200


async def test_signatures_that_do_not_suffice_are_searched_for_again_soon_after_a_renewal_too(
    found, source, images, clock, monkeypatch
):
    """What the search that renews them found is read from memory alone."""
    failed = Attempt(manifest_digest=images[0], state=VerificationState.FAILED)
    monkeypatch.setitem(globals(), "_verified", lambda _: Examination(attempt=failed))
    wanted, peek = requirements("release"), Peek(Cause.DEADLINE)
    await found.verify(GET, APP, images[0], wanted)
    clock.advance(NOT_VERIFIED_SECONDS * (1 - RENEWED_SHARE) + 0.1)
    at_once(found.verify(RENEW, APP, images[0], wanted))
    await asyncio.sleep(1)
    assert len(source.wanted) == 2
    fact, until = at_once(found.verify(peek, APP, images[0], wanted))
    assert isinstance(fact, Known)
    assert until <= clock.monotonic() + NOT_VERIFIED_SECONDS


@pytest.mark.parametrize("is_pinned", [False, True], ids=["tag", "digest"])
@pytest.mark.parametrize("is_index", [False, True], ids=["image", "index"])
@pytest.mark.parametrize("state", [VerificationState.VERIFIED, VerificationState.FAILED], ids=str)
async def test_what_is_known_is_read_without_waiting_however_much_that_is(
    aws, source, images, limiters, clock, executor, monkeypatch, is_pinned, is_index, state
):
    """At every moment of a look-up, and while all is fresh, late in its time, stale and forgotten."""
    log = Mock()
    monkeypatch.setattr(collector_module, "_log", log)
    attempt = Attempt(manifest_digest=images[0], state=state)
    monkeypatch.setitem(globals(), "_verified", lambda _: Examination(attempt=attempt))
    digest, media_type = images[0], OCI_MANIFEST
    if is_index:
        children = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}]
        content = msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
        digest, media_type = digest_of(content), OCI_INDEX
        aws.manifests[digest] = StoredManifest(content=content, media_type=OCI_INDEX)
    aws.images[ImageId.of_tag("v1")] = detail(digest, media_type=media_type)
    facts = Lookups(sources=replace(aws.sources(), signatures=source), limiters=limiters, clock=clock, limit=1_000)
    facts.verifications._executor = executor
    collector = Collector(facts, clock)
    required = requirements("a")
    wanted = needs(settings=True, scan=True, platforms=(), requirements=required, child_requirements=required)
    place = f"{APP.registry.host}/{APP.name}"
    reference = parse_reference(f"{place}@{digest}" if is_pinned else f"{place}:v1")
    known = []
    for pause in (*[0.05] * 14, 1, 3, 250, 700, 30 * 86_400):
        known.append(collector.known(reference, wanted).is_whole)
        collector.renew(reference, wanted)
        task = asyncio.create_task(collector.collect(reference, wanted, deadline=clock.monotonic() + 60))
        await asyncio.sleep(pause)
        await task if pause >= 1 else task.cancel()
    known.append(collector.known(reference, wanted).is_whole)
    log.error.assert_not_called()
    assert True in known
    assert False in known


async def test_the_children_whose_signatures_are_searched_are_those_that_nodes_may_run(
    aws, source, images, limiters, clock, executor
):
    """The same choice as for their scans: a child that some node may run is not left out."""
    own, lesser, other = images[:3]
    described = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux"} | platform}
        for digest, platform in (
            (own, {"architecture": "amd64", "variant": "v4"}),
            (lesser, {"architecture": "386"}),
            (other, {"architecture": "arm64"}),
        )
    ]
    content = msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": described})
    index = digest_of(content)
    aws.manifests[index] = StoredManifest(content=content, media_type=OCI_INDEX)
    aws.images[ImageId.of_tag("v1")] = detail(index, media_type=OCI_INDEX)
    facts = Lookups(sources=replace(aws.sources(), signatures=source), limiters=limiters, clock=clock, limit=1_000)
    facts.verifications._executor = executor
    nodes, required = (parse_platform("linux/amd64"),), requirements("a")
    wanted = needs(settings=False, scan=False, platforms=nodes, requirements=required, child_requirements=required)

    evidence = await Collector(facts, clock).collect(
        parse_reference(f"{APP.registry.host}/{APP.name}:v1"), wanted, deadline=clock.monotonic() + 60
    )

    assert set(evidence.proofs) == {index, own, lesser}

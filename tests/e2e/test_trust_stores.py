"""Signed images through the real API server: what TrustStores hold decides, and what they lack is told through kubectl."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.chart import render as chart
from tests.cluster import wait_for
from tests.e2e.conftest import Installation
from tests.objects import ECR, apply, pod, trust_store
from tests.simulator.artifacts import BUNDLE
from tests.simulator.pki.certificates import Identity, issue
from tests.simulator.pki.envelopes import JWS, sign
from tests.simulator.pki.sigstore import ISSUER, SUBJECT, LocalSigstore, statement
from tests.simulator.tuf_repository import TufRepository

COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"


def authority(name: str) -> Identity:
    """Return an authority that is valid whenever the tests run."""
    now = datetime.now(UTC).replace(microsecond=0)
    return issue(name, ca=True, not_before=now - timedelta(days=2), not_after=now + timedelta(days=30))


@dataclass(frozen=True, kw_only=True)
class Site:
    """A namespace whose policy demands signatures, and the simulated registry that has the images."""

    installation: Installation
    namespace: str
    name: str
    """Of the test's own repository, trust stores and policies, with more behind it."""

    def image(self, tag: str = "v1") -> str:
        """Push an image of its own under a tag and return its reference."""
        self.installation.aws.world.add_image(self.name, tag)
        return f"{ECR}/{self.name}:{tag}"

    def sign(self, authority: Identity, tag: str = "v1") -> None:
        """Put a signature by a leaf of the authority beside an image."""
        now = datetime.now(UTC).replace(microsecond=0)
        leaf = issue(
            f"{self.name} leaf", authority, not_before=now - timedelta(days=1), not_after=now + timedelta(days=9)
        )
        manifest = self.installation.aws.world.image(self.name, tag).manifest
        target = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.data)}
        envelope = sign(leaf, JWS, target=target, signing_time=now)
        self.installation.aws.world.add_signature(self.name, tag, envelope)

    def trust(self, name: str, spec: dict[str, Any], *, reason: str = "Read") -> str:
        """Apply a trust store, wait until its status has a reason, and return the message."""
        self.installation.cluster.apply(trust_store(name, spec))
        return self.told("truststore", name, reason)

    def told(self, kind: str, name: str, reason: str, words: str = "") -> str:
        """Wait until an object's condition Ready is about its present spec, has a reason and says the words.

        Return the message.
        """

        def ask() -> str | None:
            found = self.installation.cluster.get(kind, name)
            for one in found.get("status", {}).get("conditions", []):
                current = one["observedGeneration"] == found["metadata"]["generation"]
                if current and one["reason"] == reason and words in one["message"]:
                    return str(one["message"])
            return None

        said: str = wait_for(ask, what=f"{kind} {name} to be {reason}: {words}") or ""
        return said

    def requirement(self, *authorities: dict[str, Any]) -> None:
        """Apply the policy that demands a signature by one of the authorities in the namespace."""
        match = {"namespaces": [self.namespace]}
        self.installation.gate.apply_policy(self.name, {"signatures": {"anyOf": list(authorities)}}, match=match)

    def try_pod(self, image: str) -> tuple[bool, str]:
        """Apply a Pod as a person would, as a dry run."""
        return apply(self.installation.cluster, self.namespace, pod(image), "--dry-run=server")

    def until_refused(self, image: str, words: str) -> str:
        """Wait until a Pod is refused with the words, and return the whole text."""

        def ask() -> str:
            admitted, said = self.try_pod(image)
            return said if not admitted and words in said else ""

        return wait_for(ask, what=words)

    def until_admitted(self, image: str) -> None:
        """Wait until a Pod is admitted."""
        wait_for(lambda: self.try_pod(image)[0], what=f"{image} to be admitted")


@pytest.fixture
def site(installation: Installation, gated_namespace: str) -> Iterator[Site]:
    name = f"signed-{uuid.uuid4().hex[:8]}"
    yield Site(installation=installation, namespace=gated_namespace, name=name)
    cluster = installation.cluster
    for one in cluster.get("truststores")["items"]:
        if one["metadata"]["name"].startswith(name):
            cluster.kubectl("delete", "truststore", one["metadata"]["name"])


def by_notation(store: str, *, name: str = "release") -> dict[str, Any]:
    # These certificates name no service that could be asked about revocation.
    return {
        "name": name,
        "notation": {"trustStores": [store], "trustedIdentities": ["*"], "overrides": {"revocation": "skip"}},
    }


def inline(authority: Identity) -> dict[str, Any]:
    return {"type": "ca", "certificates": [authority.root.pem.decode()]}


def test_a_signed_image_is_admitted_and_an_unsigned_one_is_refused(site: Site):
    acme = authority("Acme")
    site.trust(site.name, inline(acme))
    site.requirement(by_notation(site.name))
    signed, unsigned = site.image("signed"), site.image("unsigned")
    site.sign(acme, "signed")

    assert site.try_pod(signed)[0]
    admitted, text = site.try_pod(unsigned)

    assert not admitted
    assert f"spec.containers[0].image: {unsigned}" in text
    assert "signatures SignatureMissing: no signature of sha256:" in text
    assert "by any of: release" in text
    assert f"policy {site.name}" in text


def test_a_signature_by_another_authority_is_refused(site: Site):
    site.trust(site.name, inline(authority("Acme")))
    site.requirement(by_notation(site.name))
    image = site.image()
    site.sign(authority("Mallory"))

    admitted, text = site.try_pod(image)

    assert not admitted
    why = f"the signing certificate is not trusted by trust store {site.name}"
    assert f"signatures SignatureInvalid: authority release: {why} [policy {site.name}]" in text


def test_the_type_decides_what_a_certificate_is_trusted_for(site: Site):
    """The same certificate, as a timestamp authority's: whoever signs with it is nobody."""
    acme = authority("Acme")
    site.trust(f"{site.name}-tsa", inline(acme) | {"type": "tsa"})
    site.trust(f"{site.name}-ca", inline(authority("Other")))
    release = by_notation(f"{site.name}-ca")
    release["notation"]["trustStores"].append(f"{site.name}-tsa")
    site.requirement(release)
    image = site.image()
    site.sign(acme)

    assert "signatures SignatureInvalid" in site.try_pod(image)[1]
    site.trust(f"{site.name}-tsa", inline(acme))
    site.until_admitted(image)


def test_a_certificate_from_a_config_map(site: Site):
    """The key that is named, and no other, is trusted."""
    acme, mallory = authority("Acme"), authority("Mallory")
    data = {"acme.crt": acme.root.pem.decode(), "mallory.crt": mallory.root.pem.decode()}
    metadata = {"name": site.name, "namespace": chart.NAMESPACE}
    cluster = site.installation.cluster
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    site.trust(site.name, {"type": "ca", "configMap": {"name": site.name, "keys": ["acme.crt"]}})
    site.requirement(by_notation(site.name))
    ours, theirs = site.image("ours"), site.image("theirs")
    site.sign(acme, "ours")
    site.sign(mallory, "theirs")

    assert site.try_pod(ours)[0]
    assert "signatures SignatureInvalid" in site.try_pod(theirs)[1]


def test_a_config_map_of_another_namespace_is_read_where_the_chart_gives_the_right(site: Site):
    cluster, acme = site.installation.cluster, authority("Acme")
    namespace = cluster.create_namespace("pki")
    metadata = {"name": site.name, "namespace": namespace}
    data = {"ca.crt": acme.root.pem.decode()}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    spec = {"type": "ca", "configMap": {"name": site.name, "namespace": namespace}}
    said = site.trust(site.name, spec, reason="Broken")
    assert f"add {namespace} to the chart's value trustStores.configMapNamespaces" in said

    objects = chart.render({"trustStores": {"configMapNamespaces": [namespace]}})
    cluster.apply(chart.rbac(objects))

    def read() -> bool:
        # Any event of a trust store asks for the next list; the regular one comes within a minute.
        cluster.kubectl("annotate", "truststore", site.name, f"touched={uuid.uuid4().hex}", "--overwrite")
        conditions = cluster.get("truststore", site.name).get("status", {}).get("conditions", [])
        return any(one["reason"] == "Read" for one in conditions)

    wait_for(read, what="the ConfigMap to be read")
    site.requirement(by_notation(site.name))
    image = site.image()
    site.sign(acme)
    assert site.try_pod(image)[0]


def test_another_content_is_another_verdict(site: Site):
    acme = authority("Acme")
    site.trust(site.name, inline(acme))
    site.requirement(by_notation(site.name))
    image = site.image()
    site.sign(acme)
    assert site.try_pod(image)[0]

    site.trust(site.name, inline(authority("Other")))
    site.until_refused(image, "signatures SignatureInvalid")
    site.trust(site.name, inline(acme))
    site.until_admitted(image)


def test_a_trust_store_that_goes_or_breaks_leaves_it_undecided_and_the_status_says_so(site: Site):
    acme = authority("Acme")
    site.trust(site.name, inline(acme))
    site.requirement(by_notation(site.name))
    image = site.image()
    site.sign(acme)
    assert site.try_pod(image)[0]

    site.installation.cluster.kubectl("delete", "truststore", site.name)
    text = site.until_refused(image, "signatures TrustUnusable: authority release cannot be verified")
    assert "there is no TrustStore" not in text
    words = f"authority release: trust store {site.name} does not exist"
    site.told("imagepolicy", site.name, "TrustIncomplete", words)

    broken = {"type": "ca", "certificates": ["-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"]}
    site.trust(site.name, broken, reason="Broken")
    assert not site.try_pod(image)[0]
    site.told("imagepolicy", site.name, "TrustIncomplete", f"trust store {site.name} is invalid")

    site.trust(site.name, inline(acme))
    site.until_admitted(image)
    site.told("imagepolicy", site.name, "Applied")


def test_a_missing_trust_store_weakens_nothing_else(site: Site):
    """Another authority of the policy still decides for itself, and another policy still refuses."""
    acme = authority("Acme")
    site.trust(site.name, inline(acme))
    site.requirement(by_notation(f"{site.name}-missing", name="old"), by_notation(site.name, name="new"))
    signed, unsigned = site.image("signed"), site.image("unsigned")
    site.sign(acme, "signed")

    assert site.try_pod(signed)[0]
    admitted, text = site.try_pod(unsigned)
    assert not admitted
    site.installation.gate.apply_policy(
        f"{site.name}-strict", {"tags": {"digestRequired": True}}, match={"namespaces": [site.namespace]}
    )
    admitted, text = site.try_pod(signed)
    assert not admitted
    assert "digest" in text


def by_sigstore(root: str) -> dict[str, Any]:
    identities = [{"issuer": ISSUER, "subject": SUBJECT}]
    return {"name": "ci", "sigstore": {"trustedRoot": root, "identities": identities}}


def sign_keyless(site: Site, sigstore: LocalSigstore, tag: str = "v1", *, subject: str = SUBJECT) -> None:
    world = site.installation.aws.world
    payload = statement(world.image(site.name, tag).digest, predicate_type=COSIGN_SIGN)
    bundle = sigstore.sign_statement(payload, sigstore.signer(subject=subject))
    world.add_signature(site.name, tag, json.dumps(bundle).encode(), kind=BUNDLE)


def test_a_trusted_root_from_a_tuf_repository(site: Site):
    """Fetched in the background; what the repository serves, and nothing else, is trusted."""
    sigstore, mallory = LocalSigstore(), LocalSigstore()
    ours, theirs = site.image("ours"), site.image("theirs")
    sign_keyless(site, sigstore, "ours")
    sign_keyless(site, mallory, "theirs")
    with TufRepository(sigstore.trusted_root_bytes(), port=site.installation.tuf_port) as repository:
        site.trust(
            site.name,
            {"type": "sigstore", "tuf": {"url": repository.url, "root": repository.root_json.decode()}},
        )
        site.requirement(by_sigstore(site.name))
        asked = len(repository.requests)

        assert site.try_pod(ours)[0]
        assert "signatures SignatureInvalid" in site.try_pod(theirs)[1]
        assert len(repository.requests) == asked, "no request waits for it"
    assert site.installation.cluster.get("truststore", site.name)["status"]["refreshedTime"]


def test_a_trusted_root_of_sigstore(site: Site):
    sigstore = LocalSigstore()
    site.trust(site.name, {"type": "sigstore", "trustedRoot": sigstore.trusted_root_bytes().decode()})
    site.requirement(by_sigstore(site.name))
    signed, unsigned = site.image("signed"), site.image("unsigned")
    sign_keyless(site, sigstore, "signed")

    assert site.try_pod(signed)[0]
    assert "signatures SignatureMissing" in site.try_pod(unsigned)[1]
    site.trust(site.name, {"type": "sigstore", "trustedRoot": LocalSigstore().trusted_root_bytes().decode()})
    site.until_refused(signed, "signatures SignatureInvalid")


def test_a_valid_signature_by_somebody_else_is_refused_with_who_signed_and_who_may(site: Site):
    sigstore = LocalSigstore()
    site.trust(site.name, {"type": "sigstore", "trustedRoot": sigstore.trusted_root_bytes().decode()})
    site.requirement(by_sigstore(site.name))
    image = site.image()
    mallory = "https://github.com/mallory/x/.github/workflows/build.yaml@refs/heads/main"
    sign_keyless(site, sigstore, subject=mallory)

    admitted, text = site.try_pod(image)

    assert not admitted
    assert f'signatures SignatureInvalid: authority ci: signed by "{mallory}" (issuer "{ISSUER}") [policy' in text
    assert (
        f'    authority ci accepts "{SUBJECT}" (issuer "{ISSUER}")\n    To fix: have one of the authorities sign'
        in text
    )


def test_a_public_key_in_aws_kms(site: Site):
    """Read when the policy is; a key that AWS does not give is told in the policy's status."""
    world = site.installation.aws.world
    private = ec.generate_private_key(ec.SECP256R1())
    key = world.add_kms_key(str(uuid.uuid4()), private=private)
    sigstore = LocalSigstore()
    image = site.image()
    payload = statement(world.image(site.name, "v1").digest, predicate_type=COSIGN_SIGN)
    bundle = sigstore.sign_statement_keyed(payload, private)
    world.add_signature(site.name, "v1", json.dumps(bundle).encode(), kind=BUNDLE)
    site.requirement({"name": "vendor", "sigstore": {"key": {"kms": key.arn}, "transparencyLog": "NotRequired"}})

    site.told("imagepolicy", site.name, "Applied")
    assert site.try_pod(image)[0]

    missing = key.arn.rpartition("/")[0] + f"/{uuid.uuid4()}"
    site.requirement({"name": "vendor", "sigstore": {"key": {"kms": missing}, "transparencyLog": "NotRequired"}})
    # Until the key has been asked for, the same reason says that it has not been read yet.
    words = f"authority vendor: key {missing}: AWS KMS has no usable key of this ARN"
    site.told("imagepolicy", site.name, "TrustIncomplete", words)
    assert "signatures TrustUnusable" in site.try_pod(image)[1]


def test_metrics_count_trust_stores_and_broken_ones(site: Site):
    gate = site.installation.gate

    def counts() -> tuple[float, float]:
        return gate.metric("tidegate_trust_stores"), gate.metric("tidegate_trust_stores_broken")

    before = counts()
    site.trust(site.name, inline(authority("Acme")))
    site.trust(f"{site.name}-b", {"type": "ca", "configMap": {"name": "missing"}}, reason="Broken")
    assert counts() == (before[0] + 2, before[1] + 1)
    assert 0 <= gate.metric("tidegate_trust_stores_age_seconds") < 600

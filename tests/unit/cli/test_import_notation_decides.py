"""`tidegate import notation`: the objects decide as the trust policy document does."""

from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.pki.aws_signer import PROFILE, sign_as_aws, signer_leaf
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, authority, issue
from tests.simulator.pki.envelopes import AUTHORITY_SCHEME, DIGEST, SIGNED_AT, TARGET, sign
from tests.simulator.pki.timestamps import issue_token
from tests.unit.cli.imported import CLOCK, CRL, ECR, LISTED, OTHER, REVOKED, STANDING, Imported, convert
from tests.unit.cli.notation_files import NotationFiles, signer, statement, stranger
from tidegate.evidence.verification_result import VerificationState

BRIEF = issue("brief", authority(), purposes=[CODE_SIGNING], not_after=SIGNED_AT + timedelta(days=5))
SERVICE = issue("service", authority("Service"), purposes=[CODE_SIGNING])
REVOCABLE = issue("signer", authority(), purposes=[CODE_SIGNING], crl_urls=["http://crl.test/ca.crl"])
AWS = signer_leaf()
SIGNATURES = {
    "ours": sign(signer()),
    "a stranger's": sign(stranger()),
    "another's": sign(OTHER),
    "expired": sign(signer(), expiry=SIGNED_AT + timedelta(days=10)),
    "by a brief certificate": sign(BRIEF),
    "timestamped": sign(BRIEF, token=lambda signature: issue_token(CLOCK, signature)),
    "by an authority": sign(SERVICE, scheme=AUTHORITY_SCHEME),
    "unknown revocation": sign(REVOCABLE),
    "revoked": sign(REVOKED),
    "not revoked": sign(STANDING),
    "by AWS Signer": sign_as_aws(AWS),
    "of another digest": sign(signer(), target=TARGET | {"digest": "sha256:" + "cd" * 32}),
    "junk": b"{}",
}
ALL_STORES = ("ca:acme", "ca:other", "tsa:clock", "signingAuthority:service")
DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "strict": [statement()],
    "permissive": [statement(level="permissive", identities=["*"])],
    "audit": [statement(level="audit")],
    "overridden": [statement(override={"expiry": "log", "revocation": "skip", "authenticity": "enforce"})],
    "permissive but for expiry": [statement(level="permissive", override={"expiry": "enforce"})],
    "two statements": [
        statement(),
        statement("b", scopes=["registry.test/b", f"{ECR}/team/b"], stores=["ca:other"], identities=["*"]),
    ],
    "skipped": [statement(), statement("b", scopes=["registry.test/b"], level="skip")],
    "everywhere": [statement(scopes=["*"])],
    "every store": [statement(stores=ALL_STORES, identities=["*"])],
    "two identities": [
        statement(
            stores=("ca:acme", "ca:other"),
            identities=["x509.subject: C=US, ST=WA, O=Other", "x509.subject:C=US,ST=WA,O=Example,CN=signer"],
        )
    ],
    "AWS Signer": [statement(stores=("signingAuthority:aws",), identities=[PROFILE])],
    "AWS Signer without revocation": [
        statement(stores=("signingAuthority:aws",), identities=[PROFILE], override={"revocation": "skip"})
    ],
    "timestamps only after expiry": [statement(stores=ALL_STORES, identities=["*"], verifyTimestamp="afterCertExpiry")],
}


@pytest.fixture(scope="module")
def signed(tmp_path_factory) -> NotationFiles:
    files = NotationFiles(tmp_path_factory.mktemp("notation"))
    stores: dict[tuple[str, str], tuple[Identity, ...]] = {
        ("ca", "acme"): (signer().root, BRIEF.root, REVOCABLE.root, LISTED),
        ("ca", "other"): (OTHER.root,),
        ("tsa", "clock"): (CLOCK.root,),
        ("signingAuthority", "service"): (SERVICE.root,),
        ("signingAuthority", "aws"): (AWS.root,),
    }
    for (kind, store), held in stores.items():
        files.add_store(kind, store, *held)
    return files


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_objects_decide_as_the_document_does(signed, document):
    """Each signature, in each of three repositories, early and late, with the same list of what is revoked."""
    signed.trust(*DOCUMENTS[document])
    imported = Imported(convert(signed))
    same = {
        "verified": VerificationState.VERIFIED,
        "logged": VerificationState.LOGGED,
        "skipped": None,
        "failed": VerificationState.FAILED,
    }
    revoked = signed.write("listed.crl", CRL)
    seen = set()
    for label, envelope in SIGNATURES.items():
        signed.envelope.write_bytes(envelope)
        for repository in ("registry.test/app", "registry.test/b", f"{ECR}/team/b"):
            for days in (1, 20):
                now = SIGNED_AT + timedelta(days=days)
                report = signed.verify(
                    "--envelope-type", "jws", "--crl", revoked, reference=f"{repository}@{DIGEST}", at=now.isoformat()
                ).report
                by_document = report["verdict"]
                expected = _undecided(report) if by_document == "inconclusive" else same[by_document]
                assert imported.state(repository, envelope, now) is expected, (label, repository, days)
                seen.add(by_document)
    assert len(seen) >= 2, "a document that decides everything alike shows nothing"


@pytest.mark.parametrize(
    ("document", "label", "state"),
    [
        ("strict", "not revoked", VerificationState.VERIFIED),
        ("strict", "revoked", VerificationState.FAILED),
        ("strict", "unknown revocation", VerificationState.UNKNOWN),
        ("permissive", "revoked", VerificationState.LOGGED),
        ("AWS Signer", "by AWS Signer", VerificationState.UNKNOWN),
        ("AWS Signer without revocation", "by AWS Signer", VerificationState.VERIFIED),
    ],
)
def test_the_signatures_compared_are_of_every_kind(signed, document, label, state):
    signed.trust(*DOCUMENTS[document])
    now = SIGNED_AT + timedelta(days=1)
    assert Imported(convert(signed)).state("registry.test/app", SIGNATURES[label], now) is state


def _undecided(report: dict[str, Any]) -> VerificationState:
    """What the cluster makes of a signature that cannot be decided: a stranger's is none."""
    signed_by_somebody_trusted = any("signer" in one["facts"] for one in report["signatures"])
    return VerificationState.UNKNOWN if signed_by_somebody_trusted else VerificationState.FAILED

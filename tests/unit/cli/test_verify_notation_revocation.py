"""`tidegate verify --envelope`: answers about revocation from files and from AWS Signer."""

import json
import shlex

import pytest

from tests.simulator.pki.aws_signer import PROFILE, sign_as_aws, signer_leaf
from tests.simulator.pki.certificates import issue
from tests.simulator.pki.envelopes import sign
from tests.simulator.pki.revocation import crl, ocsp_answer
from tests.unit.cli.notation_files import CRL_URL, OCSP_URL, in_days, revocable, statement, stranger


# AWS Signer's answer
@pytest.fixture
def by_aws(files):
    leaf = signer_leaf()
    files.envelope.write_bytes(sign_as_aws(leaf))
    files.add_store("signingAuthority", "aws", leaf.root)
    files.trust(statement(stores=("signingAuthority:aws",), identities=[PROFILE]))
    return files


def test_without_an_answer_of_aws_signer_the_command_that_asks_it_is_shown(by_aws):
    ended = by_aws.verify()
    assert ended.code == 2
    assert ended.steps()[7] == "ok"
    assert "AWS Signer's revocation status is not available" in ended.report["reason"]
    (one,) = ended.report["signatures"]
    words = shlex.split(one["facts"]["ask"])
    assert words[:5] == ["aws", "signer", "get-revocation-status", "--region", PROFILE.split(":")[3]]
    given = dict(zip(words[3::2], words[4::2], strict=False))
    assert given["--profile-version-arn"].startswith(f"{PROFILE}/")
    assert given["--signature-timestamp"] == in_days(0)
    assert given["--platform-id"] == "Notation-OCI-SHA384-ECDSA"
    assert len(words[words.index("--certificate-hashes") + 1 :]) == len(signer_leaf().chain)


def test_revocation_by_aws_signer_may_be_skipped(by_aws):
    by_aws.trust(statement(stores=("signingAuthority:aws",), identities=[PROFILE], override={"revocation": "skip"}))
    assert by_aws.verify().code == 0


@pytest.mark.parametrize(
    ("revoked", "code", "words"),
    [([], 0, "signed by"), ([PROFILE], 1, f"Resource(s) {PROFILE} have been revoked.")],
    ids=["nothing revoked", "the profile revoked"],
)
def test_an_answer_of_aws_signer_comes_from_a_file(by_aws, revoked, code, words):
    answer = by_aws.write("answer.json", json.dumps({"revokedEntities": revoked}).encode())
    ended = by_aws.verify("--signer-answer", answer)
    assert ended.code == code
    assert words in ended.report["reason"]


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"revokedEntities": null}', b'{"revokedEntities": [7]}', b"x"])
def test_what_is_no_answer_of_aws_signer_cannot_be_used(by_aws, content):
    """No list is no empty list."""
    ended = by_aws.verify("--signer-answer", by_aws.write("answer.json", content))
    assert ended.code == 2
    assert "answer.json" in ended.err


# Why a given answer does not count
def test_a_given_ocsp_answer_that_does_not_count_is_told_with_its_number(files):
    leaf = revocable(ocsp_urls=(OCSP_URL,))
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    other = files.write("other.der", ocsp_answer(issue("other", leaf.issuer)))
    unknown = files.write("unknown.der", ocsp_answer(leaf, status="unknown"))
    garbage = files.write("garbage.der", b"garbage")
    ended = files.verify("--ocsp", other, "--ocsp", unknown, "--ocsp", garbage)
    assert ended.code == 2
    assert (
        "revocation status is unknown: OCSP answer 2 of 3: OCSP responder does not know the certificate;"
        " OCSP answer 3 of 3: malformed OCSP answer (ValueError); OCSP answer 1 of 3: OCSP answer is about another"
    ) in ended.report["reason"]


def test_a_given_crl_that_does_not_count_is_told_with_its_number(files):
    leaf = revocable(crl_urls=(CRL_URL,))
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    assert leaf.issuer
    old, foreign = files.write("old.crl", crl(leaf.issuer)), files.write("foreign.crl", crl(stranger().root))
    ended = files.verify("--crl", foreign, "--crl", old, at=in_days(30))
    assert ended.code == 2
    assert "CRL 2 of 2: expired CRL; CRL 1 of 2: CRL is not signed by CA" in ended.report["reason"]

"""`tidegate verify --envelope`: input that cannot be used, and what reaches no terminal."""

import json
import os
import subprocess
import sys
import warnings

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.simulator.pki.certificates import TIME_STAMPING, authority, issue
from tests.simulator.pki.envelopes import DIGEST, TARGET, sign
from tests.unit.cli.commands import run
from tests.unit.cli.notation_files import AT, signer, statement


# Arguments that cannot be used
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"version": "1.0",\n  "trustPolicies": [}', "trustpolicy.json:2:21: malformed trust policy: "),
        ('{"version": "1.0",\n\t"trustPolicies": []}', "trustpolicy.json:2:19: trustPolicies: "),
        ('{"version": "2.0",\n  "trustPolicies": []}', "trustpolicy.json:1:13: version: "),
        ("[]", "trustpolicy.json:1:1: document: "),
        ('{"version": "1.0", "version": "1.0"}', "duplicate key"),
    ],
)
def test_a_trust_policy_that_cannot_be_used_is_named_with_line_and_column(files, text, place):
    files.policy.write_text(text)
    ended = files.verify()
    assert ended.code == 2
    assert place in ended.err


def test_problems_deep_in_a_trust_policy_are_found_where_they_stand(files):
    files.trust(statement(), statement("other", level="stern", scopes=["registry.test/b"]))
    ended = files.verify()
    line = next(i for i, text in enumerate(files.policy.read_text().splitlines(), 1) if "stern" in text)
    assert f"trustpolicy.json:{line}:18: trustPolicies[1].signatureVerification.level: " in ended.err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps(TARGET | {"size": True}).encode(),
        json.dumps(TARGET | {"size": -1}).encode(),
        json.dumps(TARGET | {"digest": "sha256:ab"}).encode(),
        b'{"size": 1, "size": 2}',
    ],
)
def test_what_is_no_descriptor_cannot_be_used(files, content):
    files.descriptor.write_bytes(content)
    ended = files.verify()
    assert ended.code == 2
    assert "descriptor.json: " in ended.err


@pytest.mark.parametrize("reference", ["app", "registry.test/app", "registry.test/app:v1", f"app@{DIGEST}", "@", ""])
def test_a_reference_that_is_not_in_full_cannot_be_used(files, reference):
    ended = files.verify(reference=reference)
    assert ended.code == 2
    assert ended.err.startswith("tidegate: --reference: ")


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-02-01", "2026-02-01T00:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00"]
)
def test_a_time_is_one_of_rfc_3339(files, time):
    ended = files.verify(at=time)
    assert ended.code == 2
    assert "is not a time such as" in ended.err


@pytest.mark.parametrize("time", ["2026-02-01T01:00:00+01:00", "2026-02-01t00:00:00.000000001z"])
def test_a_time_may_have_a_zone_and_a_fraction(files, time):
    assert files.verify(at=time).report["at"] == AT


@pytest.mark.parametrize("text", ["commit", "=x", ""])
def test_metadata_is_a_pair(files, text):
    assert "expected KEY=VALUE" in files.verify("--metadata", text).err


def test_each_metadata_key_is_given_once(files):
    ended = files.verify("--metadata", "a=1", "--metadata", "a=2")
    assert ended.code == 2
    assert "each key once" in ended.err


@pytest.mark.parametrize("missing", ["--descriptor", "--reference", "--trust-policy", "--trust-store"])
def test_what_is_missing_is_named(files, missing):
    arguments = files.arguments()
    place = arguments.index(missing)
    ended = run(*arguments[:place], *arguments[place + 2 :])
    assert ended.code == 2
    assert f"--envelope also needs {missing}" in ended.err


@pytest.mark.parametrize(
    "stray", [("--digest", DIGEST), ("--predicate-type", "x"), ("--no-transparency-log",), ("app.tar",)]
)
def test_options_of_another_form_are_refused(files, stray):
    ended = files.verify(*stray)
    assert ended.code == 2
    assert "does not go with --envelope" in ended.err


def test_a_missing_file_is_named(files):
    files.envelope.unlink()
    ended = files.verify()
    assert ended.code == 2
    assert "does not exist" in ended.err


def test_a_crl_in_broken_pem_cannot_be_used(files):
    ended = files.verify("--crl", files.write("ca.crl", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
    assert ended.code == 2
    assert "ca.crl: not a CRL in PEM or DER" in ended.err


def test_too_many_answers_cannot_be_used(files):
    path = files.write("answer.der", b"x")
    ended = files.verify(*[part for _ in range(65) for part in ("--ocsp", path)])
    assert ended.code == 2
    assert "at most 64 answers" in ended.err


def test_answers_that_are_too_large_cannot_be_used(files):
    ended = files.verify("--ocsp", files.write("answer.der", b"x" * (20 * 1024 + 1)))
    assert ended.code == 2
    assert "answer.der: larger than 20480 bytes" in ended.err


def test_control_characters_of_a_signer_reach_no_terminal(files):
    from tests.simulator.pki.certificates import name

    leaf = issue("evil", authority(), subject=name("evil\x1b[2J"), purposes=None)
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    ended = run(*files.arguments())
    assert "evil" in ended.out
    assert "\x1b" not in ended.out


def test_a_timestamping_certificate_signs_no_image(files):
    leaf = issue("clock", authority(), purposes=[TIME_STAMPING])
    files.envelope.write_bytes(sign(leaf))
    files.add_store("ca", "acme", leaf.root)
    ended = files.verify()
    assert ended.code == 1
    assert ended.steps()[4] == "failed"


@pytest.fixture
def oddly_named(files):
    """A signer in a country of three letters, of which the library warns wherever it reads the name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        country = x509.NameAttribute(NameOID.COUNTRY_NAME, "USA", _validate=False)
        named = issue("odd", signer().issuer, subject=x509.Name([country]))
        files.envelope.write_bytes(sign(named))
    return files


@pytest.mark.parametrize(("options", "shown"), [((), False), (("-W", "default"), True)], ids=["usually", "on demand"])
def test_a_library_s_warning_with_a_path_of_ours_reaches_no_terminal(oddly_named, options, shown):
    command = [sys.executable, *options, "-m", "tidegate", *map(str, oddly_named.arguments())]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "NOT VERIFIED" in done.stdout
    assert ("UserWarning" in done.stderr) is shown
    assert shown or done.stderr == ""

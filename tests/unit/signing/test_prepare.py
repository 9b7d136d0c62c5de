"""A demand that nothing can be verified by is undecided, in words, whatever is wrong with it; and the others go on."""

import pytest

from tests import frames
from tidegate.errors import UndeterminedError
from tidegate.policy.model import ImagePolicy
from tidegate.policy.signatures import (
    Authority,
    KeyedAuthority,
    KeylessAuthority,
    NotationAuthority,
    PemKey,
    SignatureRules,
    TransparencyLog,
)
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType, TrustSnapshot, TrustStore
from tidegate.signing import prepare as prepare_module
from tidegate.signing.prepare import prepare, warm_up
from tidegate.signing.requirements import Requirement
from tidegate.strict.pattern import Exact
from tidegate.verify.sigstore.identity import SigstoreIdentity

TRUST = TrustSnapshot.of(
    [
        BrokenTrustStore(name="broken", uid="1", generation=1, problems=("no PEM",)),
        TrustStore(name="odd", uid="2", generation=1, type=StoreType.CA, certificates=(b"no certificate",)),
    ]
)


def notation(store: str) -> NotationAuthority:
    return NotationAuthority(name="release", trust_stores=(store,), trusted_identities=("*",))


@pytest.mark.parametrize(
    ("authority", "words"),
    [
        pytest.param(notation("gone"), "there is no TrustStore gone", id="no store"),
        pytest.param(notation("broken"), "cannot be used: no PEM", id="a broken store"),
        pytest.param(notation("odd"), "it cannot be used: ", id="a store of something else"),
        pytest.param(
            KeyedAuthority(name="vendor", key=PemKey(pem="schlüssel"), transparency_log=TransparencyLog.NOT_REQUIRED),
            "an error inside tidegate (UnicodeEncodeError)",
            id="a key that nobody foresaw",
        ),
        pytest.param(
            KeylessAuthority(name="ci", trusted_root="odd", identities=()),
            "is of type ca; expected one of type sigstore",
            id="a store of another type",
        ),
    ],
)
def test_an_authority_that_cannot_be_used_says_why(authority, words):
    found = prepare(Requirement(authority=authority, trust=TRUST))
    assert isinstance(found, UndeterminedError)
    assert words in str(found)


def test_what_is_remembered_of_an_unusable_one_keeps_nothing_of_who_asked_first():
    requirement = Requirement(authority=notation("nowhere"), trust=TRUST)
    assert not frames.are_kept(lambda: prepare(requirement))
    assert isinstance(prepare(requirement), UndeterminedError)


@pytest.mark.parametrize(
    ("authority", "times"),
    [
        pytest.param(
            KeylessAuthority(
                name="ci",
                trusted_root="root",
                identities=(SigstoreIdentity(issuer=Exact(text="a"), subject=Exact(text="b")),),
            ),
            1,
            id="identities",
        ),
        pytest.param(KeyedAuthority(name="vendor", key=PemKey(pem=""), trusted_root="root"), 1, id="a logged key"),
        pytest.param(
            KeyedAuthority(name="vendor", key=PemKey(pem=""), transparency_log=TransparencyLog.NOT_REQUIRED),
            0,
            id="a key without a log",
        ),
        pytest.param(notation("odd"), 0, id="Notation"),
    ],
)
def test_what_takes_long_to_load_is_loaded_before_anybody_waits(authority: Authority, times: int, monkeypatch):
    loaded: list[None] = []
    monkeypatch.setattr(prepare_module, "preload", lambda: loaded.append(None))
    policy = ImagePolicy(name="p", uid="1", generation=1, signatures=SignatureRules(any_of=(authority,)))
    warm_up([policy], TRUST)
    assert len(loaded) == times

"""The Secret and the caBundle as objects: ours, foreign, spoilt; what is changed and what is left."""

import base64
import datetime as dt
from typing import Any

import pytest
from cryptography import x509

from tidegate.errors import ConfigurationError
from tidegate.webhook.certificate.bundle import MAX_AUTHORITIES, bundle_patch, extended, ownership_patch
from tidegate.webhook.certificate.material import AUTHORITY_VALIDITY, make_authority, make_serving
from tidegate.webhook.certificate.secret import fill_secret, read_secret

NOW = dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
AUTHORITY = make_authority(NOW)
SERVING = make_serving(AUTHORITY, ["a.b.svc"], NOW)
OURS = AUTHORITY.certificate_pem
THEIRS = make_authority(NOW).certificate_pem
EXPIRED = make_authority(NOW - AUTHORITY_VALIDITY - dt.timedelta(days=1)).certificate_pem


EMPTY: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {
        "name": "s",
        "namespace": "n",
        "resourceVersion": "7",
        "labels": {"tidegate.dev/certificate": "self", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "r"},
    },
}
"""As the chart makes it."""


def secret(**changes: Any) -> dict[str, Any]:
    return fill_secret(EMPTY, authority=AUTHORITY, serving=SERVING) | changes


def with_data(**data: str | None) -> dict[str, Any]:
    changed = secret()["data"] | {name.replace("_", "."): value for name, value in data.items()}
    return secret(data={name: value for name, value in changed.items() if value is not None})


def test_a_secret_is_read_as_it_was_written():
    shared = read_secret(secret())
    assert shared.authority is not None
    assert shared.serving is not None
    assert shared.authority.certificate == AUTHORITY.certificate
    assert shared.serving.key_pem == SERVING.key_pem


def test_only_the_content_is_written_and_only_over_the_version_that_was_read():
    """The rest is helm's: an upgrade of a Secret without its labels and annotations would be refused."""
    filled = secret()
    assert set(filled.pop("data")) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert filled == EMPTY
    assert filled["metadata"]["resourceVersion"] == "7"


def test_the_secret_of_the_chart_is_ours_and_empty():
    shared = read_secret(EMPTY)
    assert (shared.authority, shared.serving) == (None, None)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({"metadata": {"name": "s", "namespace": "n"}}, id="no labels"),
        pytest.param({"metadata": {"labels": {"tidegate.dev/certificate": "other"}}}, id="another label"),
        pytest.param({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}, id="somebody's labels"),
        pytest.param({"type": "kubernetes.io/tls"}, id="a type that cannot be changed"),
        pytest.param({"type": "kubernetes.io/service-account-token"}, id="the token of a ServiceAccount"),
    ],
)
def test_a_foreign_secret_is_refused(foreign):
    with pytest.raises(ConfigurationError, match="delete it"):
        read_secret(secret(**foreign))


@pytest.mark.parametrize(
    ("stored", "authority", "serving"),
    [
        pytest.param(secret(data=None), False, False, id="no data"),
        pytest.param(with_data(ca_key=None), False, True, id="the authority's key is gone"),
        pytest.param(with_data(tls_crt="%%%"), True, False, id="no base64"),
        pytest.param(with_data(tls_key=base64.b64encode(AUTHORITY.key_pem).decode()), True, False, id="another's key"),
    ],
)
def test_what_cannot_be_read_of_our_own_is_missing(stored, authority, serving):
    shared = read_secret(stored)
    assert (shared.authority is not None, shared.serving is not None) == (authority, serving)


def certificates(*pems: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(b"".join(pems))


@pytest.mark.parametrize(
    ("bundle", "after"),
    [
        pytest.param(b"", [OURS], id="empty"),
        pytest.param(b"nonsense", [OURS], id="one that no API server can read"),
        pytest.param(THEIRS, [THEIRS, OURS], id="another authority stays"),
        pytest.param(THEIRS + EXPIRED, [THEIRS, OURS], id="an expired one goes"),
    ],
)
def test_the_authority_is_added(bundle, after):
    extended_bundle = extended(bundle, OURS, NOW)
    assert extended_bundle is not None
    assert certificates(extended_bundle) == certificates(*after)


@pytest.mark.parametrize(
    "bundle",
    [pytest.param(OURS, id="alone"), pytest.param(OURS + EXPIRED + THEIRS, id="among others, whatever they are")],
)
def test_a_bundle_with_the_authority_is_left_alone(bundle):
    assert extended(bundle, OURS, NOW) is None


def test_a_bundle_is_bounded_and_its_oldest_give_way():
    many = [make_authority(NOW).certificate_pem for _ in range(MAX_AUTHORITIES + 2)]
    bundle = extended(b"".join(many), OURS, NOW)
    assert bundle is not None
    assert certificates(bundle) == certificates(*many[-(MAX_AUTHORITIES - 1) :], OURS)


def test_what_is_no_authority_is_never_put_in():
    with pytest.raises(ConfigurationError):
        extended(b"", b"nonsense", NOW)


def configuration(*bundles: bytes | None) -> dict[str, Any]:
    clients = [{} if one is None else {"caBundle": base64.b64encode(one).decode()} for one in bundles]
    webhooks = [{"name": f"w{n}", "clientConfig": client} for n, client in enumerate(clients)]
    return {"metadata": {"resourceVersion": "7"}, "webhooks": webhooks}


def test_only_webhooks_that_lack_the_authority_are_changed():
    test, *changes = bundle_patch(configuration(OURS, None, THEIRS), OURS, NOW)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert [one["path"] for one in changes] == [
        "/webhooks/1/clientConfig/caBundle",
        "/webhooks/2/clientConfig/caBundle",
    ]
    assert [certificates(base64.b64decode(one["value"])) for one in changes] == [
        certificates(OURS),
        certificates(THEIRS, OURS),
    ]


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(configuration(OURS, OURS + THEIRS), id="every webhook has it"),
        pytest.param(configuration(), id="there is no webhook"),
        pytest.param({"metadata": {"resourceVersion": "7"}, "webhooks": None}, id="there are none at all"),
    ],
)
def test_nothing_to_do_is_no_patch(stored):
    assert bundle_patch(stored, OURS, NOW) == []


def test_a_bundle_that_is_no_base64_is_written_anew():
    broken = {"metadata": {"resourceVersion": "7"}, "webhooks": [{"clientConfig": {"caBundle": "%"}}]}
    assert certificates(base64.b64decode(bundle_patch(broken, OURS, NOW)[1]["value"])) == certificates(OURS)


def owned_by(*managers: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7", "managedFields": [{"manager": name} for name in managers]}}


def test_it_gives_up_what_it_owns_and_nothing_of_others():
    test, *changes = ownership_patch(owned_by("tidegate", "helm", "tidegate", "kubectl-edit"))
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert changes == [
        {"op": "remove", "path": "/metadata/managedFields/2"},
        {"op": "remove", "path": "/metadata/managedFields/0"},
    ]


@pytest.mark.parametrize(
    "owned",
    [
        pytest.param(owned_by("helm"), id="others own all"),
        pytest.param(owned_by("tidegate"), id="an empty list would change nothing"),
        pytest.param({"metadata": {"resourceVersion": "7"}}, id="no owner is noted"),
    ],
)
def test_without_ownership_there_is_no_patch(owned):
    assert ownership_patch(owned) == []

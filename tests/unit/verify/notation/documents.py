"""Trust policy documents of one statement, and what is read of them."""

import copy
from typing import Any

STATEMENT: dict[str, Any] = {
    "name": "acme",
    "registryScopes": ["registry.acme.test/software/net-monitor"],
    "signatureVerification": {"level": "strict"},
    "trustStores": ["ca:acme"],
    "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=acme-rockets.io, OU=Finance, CN=SecureBuilder"],
}
MISSING = object()


def document(**changes: Any) -> dict[str, Any]:
    """Return a sound document with changes to its statement."""
    statement = copy.deepcopy(STATEMENT) | changes
    return {
        "version": "1.0",
        "trustPolicies": [{key: value for key, value in statement.items() if value is not MISSING}],
    }


def verification(**changes: Any) -> dict[str, Any]:
    return document(signatureVerification={"level": "strict"} | changes)

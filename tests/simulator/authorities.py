"""Whom signatures of a simulated world lead to: certificate authorities, AWS Signer's, a Sigstore instance, bare keys.

Each is made when it is first asked for, and is valid from a year before that by the world's clock. Signing is in signing.py.
"""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.objects import trust_store
from tests.simulator.clock import Clock, Moment
from tests.simulator.pki.aws_signer import signer_leaf, signing_authority
from tests.simulator.pki.certificates import CODE_SIGNING, Identity, issue
from tests.simulator.pki.sigstore import LocalSigstore, public_pem
from tests.simulator.pki.timestamps import timestamp_authority

AWS_SIGNER, TIMESTAMPS, SIGSTORE = "aws-signer", "timestamps", "sigstore"
"""The names of the TrustStores that every world has; an authority's has the authority's name."""
RESERVED = frozenset({AWS_SIGNER, TIMESTAMPS, SIGSTORE})
YEAR = timedelta(days=365)


class Authorities:
    """Give the authorities of one world by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._authorities: dict[str, Identity] = {}
        self._signers: dict[tuple[str, str], Identity] = {}
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.since = self.moment(None) - YEAR

    def moment(self, at: Moment | None) -> datetime:
        """Give a moment by the world's clock in whole seconds, as signatures hold it."""
        return datetime.fromtimestamp(int(self._clock.moment(at)), UTC)

    # Who signs

    def authority(self, name: str) -> Identity:
        """Give the certificate authority of that name, a root."""
        if name in RESERVED:
            raise ValueError(f"authority {name} would have the trust store of another; use another name")
        if name not in self._authorities:
            self._authorities[name] = issue(f"{name} CA", ca=True, not_before=self.since)
        return self._authorities[name]

    def signer(self, name: str, *, authority: str) -> Identity:
        """Give who signs with Notation, with the subject ``C=US, ST=WA, O=Example, CN=name``."""
        if (name, authority) not in self._signers:
            made = issue(name, self.authority(authority), purposes=[CODE_SIGNING], not_before=self.since)
            self._signers[name, authority] = made
        return self._signers[name, authority]

    def aws_signer_leaf(self, at: datetime) -> Identity:
        """Give a new certificate as AWS Signer has them for some days."""
        return signer_leaf(self._aws_signer, at=at)

    @cached_property
    def timestamps(self) -> Identity:
        """Give the timestamp authority."""
        return timestamp_authority(issuer=issue("TSA CA", ca=True, not_before=self.since), not_before=self.since)

    @cached_property
    def sigstore(self) -> LocalSigstore:
        """Give the Sigstore instance."""
        return LocalSigstore(begin=self.since, end=self.since + 10 * YEAR)

    def key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """Give the private key of that name."""
        if name not in self._keys:
            self._keys[name] = ec.generate_private_key(ec.SECP256R1())
        return self._keys[name]

    # What verifiers are given

    def public_key(self, name: str) -> str:
        """Give the public key of that name as PEM."""
        return public_pem(self.key(name)).decode()

    def public_keys(self) -> dict[str, str]:
        """Give all public keys by name."""
        return {name: self.public_key(name) for name in self._keys}

    def trust_stores(self) -> list[dict[str, Any]]:
        """Give a TrustStore object for each of these: aws-signer, timestamps, sigstore, and the authorities so far."""
        return [
            _trust_store(AWS_SIGNER, "signingAuthority", certificates=[_root(self._aws_signer)]),
            _trust_store(TIMESTAMPS, "tsa", certificates=[_root(self.timestamps)]),
            _trust_store(SIGSTORE, "sigstore", trustedRoot=self.sigstore.trusted_root_bytes().decode()),
            *(_trust_store(name, "ca", certificates=[_root(ca)]) for name, ca in self._authorities.items()),
        ]

    @cached_property
    def _aws_signer(self) -> Identity:
        return signing_authority(since=self.since)


def _root(identity: Identity) -> str:
    return identity.root.pem.decode()


def _trust_store(name: str, kind: str, **source: Any) -> dict[str, Any]:
    return trust_store(name, {"type": kind, **source})

"""The keys of AWS KMS in the world: made, disabled, given away. Only public halves are ever asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tests.simulator.contents import Contents

SPECS = {"secp256r1": "ECC_NIST_P256", "secp384r1": "ECC_NIST_P384", "secp521r1": "ECC_NIST_P521"}


@dataclass(slots=True, kw_only=True)
class KmsKey:
    """A key. `state` is Enabled, Disabled or PendingDeletion; `users` are other accounts that its policy lets ask."""

    arn: str
    private: PrivateKeyTypes
    usage: str = "SIGN_VERIFY"
    state: str = "Enabled"
    users: frozenset[str] = frozenset()

    @property
    def public_der(self) -> bytes:
        """Give the public half as KMS does: DER of a SubjectPublicKeyInfo."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public_pem(self) -> bytes:
        """Give the public half as people write it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def spec(self) -> str:
        """Give KMS's name for the kind of key."""
        curve = self.private.curve.name if isinstance(self.private, ec.EllipticCurvePrivateKey) else ""
        return SPECS.get(curve, "RSA_2048")


class KmsChanges(Contents):
    """What a test does to keys."""

    kms_keys: dict[str, KmsKey]

    def add_kms_key(
        self,
        name: str = "1234abcd-12ab-34cd-56ef-1234567890ab",
        *,
        account: str | None = None,
        region: str | None = None,
        private: PrivateKeyTypes | None = None,
        usage: str = "SIGN_VERIFY",
        users: Sequence[str] = (),
    ) -> KmsKey:
        """Make a key, by default ECDSA on P-256, and give it."""
        arn = f"arn:aws:kms:{region or self.region}:{account or self.account}:key/{name}"
        made = KmsKey(
            arn=arn, private=private or ec.generate_private_key(ec.SECP256R1()), usage=usage, users=frozenset(users)
        )
        with self.lock:
            self.kms_keys[arn] = made
        return made

    def set_kms_key_state(self, arn: str, state: str) -> None:
        """Disable a key, enable it, or schedule its deletion."""
        with self.lock:
            self.kms_keys[arn].state = state

"""Whether the signer is one that the policy trusts: an anchor in the chain, and an identity on the leaf."""

from collections.abc import Sequence

from tidegate.errors import UndeterminedError, VerificationError
from tidegate.strict.quotation import alternatives, quoted, quoted_list
from tidegate.verify.notation.envelope.attributes import SigningScheme
from tidegate.verify.notation.signer_names import accepted_signers, subject_name
from tidegate.verify.notation.trust_policy.statement import TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import CertificateStores, StoreKind
from tidegate.verify.notation.x509.certificate import Certificate
from tidegate.verify.notation.x509.distinguished_name import distinguished_name_of

_KIND_OF_SCHEME = {
    SigningScheme.X509: StoreKind.CA,
    SigningScheme.SIGNING_AUTHORITY: StoreKind.SIGNING_AUTHORITY,
}


def find_anchor(
    chain: Sequence[bytes], scheme: SigningScheme, statement: TrustPolicyStatement, stores: CertificateStores
) -> int:
    """Return the place of the highest certificate that one of the statement's trust stores holds, byte for byte.

    ``chain`` is DER, so that an untrusted chain costs no parsing and no signature. That alone proves nothing: the
    chain's own soundness is checked apart. Raise VerificationError when no certificate is a trusted one,
    UndeterminedError when there is nothing to compare with.
    """
    # N54: the scheme decides the kind of store; a root of one kind never counts as one of another.
    trusted = stores.certificates(statement.trust_stores, _KIND_OF_SCHEME[scheme])
    if not trusted:
        raise UndeterminedError(
            "no trusted certificates are found to verify authenticity",
            clause=f"the policy names no trust store for signatures of the scheme {scheme}",
        )
    anchors = {certificate.der for certificate in trusted}
    if anchors.isdisjoint(chain):
        names = [store.name for store in statement.trust_stores if store.kind is _KIND_OF_SCHEME[scheme]]
        raise VerificationError(
            "the signature's certificate chain does not contain any trusted certificate",
            clause=f"the signing certificate is not trusted by trust store {alternatives(names)}",
        )
    return max(place for place, der in enumerate(chain) if der in anchors)


def check_subject(leaf: Certificate, statement: TrustPolicyStatement) -> None:
    """Return when the leaf's subject has every attribute of one trusted subject, or the wildcard trusts every signer."""
    # N55
    identities = statement.trusted_identities
    if identities.wildcard:
        return
    signer = f"signed by {subject_name(leaf.subject)}"
    if not identities.subjects:
        raise VerificationError(
            f"no x509 trusted identities are configured in the trust policy {quoted(statement.name)}",
            clause=signer,
            accepted=accepted_signers(identities),
        )
    try:
        subject = distinguished_name_of(leaf.parsed.subject, leaf.subject)
    except VerificationError as error:
        raise VerificationError(
            f"error while parsing the certificate subject from the digital signature. error : {error}"
        ) from error
    if not any(trusted.is_subset_of(subject) for trusted in identities.subjects):
        raise VerificationError(
            f"signing certificate from the digital signature does not match the X.509 trusted identities"
            f" {quoted_list(identities.subjects)} defined in the trust policy {quoted(statement.name)}",
            clause=signer,
            accepted=accepted_signers(identities),
        )

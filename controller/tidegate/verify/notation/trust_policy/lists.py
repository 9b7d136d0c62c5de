"""The two lists of a trust policy statement of what it trusts: trust stores and trusted identities."""

from tidegate.errors import VerificationError
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.trust_policy.statement import TrustedIdentities
from tidegate.verify.notation.trust_store.store import StoreKind, StoreName, is_store_name
from tidegate.verify.notation.x509.distinguished_name import DistinguishedName, first_overlap, parse_distinguished_name

MAX_IDENTITIES = 300
"""Identities of one statement; each is compared with each."""
WILDCARD = "*"
X509_SUBJECT = "x509.subject"


def read_stores(texts: list[str], statement: str, path: str, problems: list[str]) -> tuple[StoreName, ...]:
    """Return the stores that the texts name, and add what is wrong with them to the problems."""
    # N8
    found = []
    for text in texts:
        kind, colon, name = text.partition(":")
        if not colon:
            problem = (
                f"has malformed trust store value {quoted(text)}. The required format is"
                " <TrustStoreType>:<TrustStoreName>"
            )
        elif kind not in list(StoreKind):
            problem = f"uses an unsupported trust store type {quoted(kind)} in trust store value {quoted(text)}"
        elif not is_store_name(name):
            problem = (
                f"uses an unsupported trust store name {quoted(name)} in trust store value {quoted(text)}. Named store"
                " name needs to follow [a-zA-Z0-9_.-]+ format"
            )
        else:
            found.append(StoreName(StoreKind(kind), name))
            continue
        problems.append(f"{path}: trust policy statement {quoted(statement)} {problem}")
    return tuple(dict.fromkeys(found))


def read_identities(texts: list[str], statement: str, path: str, problems: list[str]) -> TrustedIdentities:
    """Return the identities that the texts name, and add what is wrong with them to the problems."""
    # N9
    prefix = f"{path}: trust policy statement {quoted(statement)}"
    if len(texts) > MAX_IDENTITIES:
        problems.append(f"{prefix} has {len(texts)} trusted identities, more than {MAX_IDENTITIES}")
    if WILDCARD in texts and len(texts) > 1:
        problems.append(
            f"{prefix} uses a wildcard trusted identity '*', a wildcard identity cannot be used in conjunction with"
            " other values"
        )
    subjects: list[tuple[str, DistinguishedName]] = []
    others: list[str] = []
    for text in texts[:MAX_IDENTITIES]:
        problem = _read_identity(text, subjects, others)
        if problem:
            problems.append(f"{prefix} {problem}")
    _check_overlap(subjects, prefix, problems)
    return TrustedIdentities(
        wildcard=WILDCARD in texts, subjects=tuple(subject for _, subject in subjects), others=tuple(others)
    )


def _read_identity(text: str, subjects: list[tuple[str, DistinguishedName]], others: list[str]) -> str | None:
    """Add the identity to the list it belongs to, or return what is wrong with it."""
    if text == WILDCARD:
        return None
    if not text:
        return "has an empty trusted identity"
    kind, colon, value = text.partition(":")
    if not colon:
        return f"has trusted identity {quoted(text)} missing separator"
    if kind != X509_SUBJECT:
        others.append(text)
        return None
    if not value:
        return f"has trusted identity {quoted(text)} without an identity value"
    try:
        subjects.append((text, parse_distinguished_name(value)))
    except VerificationError as error:
        return f"has trusted identity {quoted(text)} with invalid identity value: {error}"
    return None


def _check_overlap(subjects: list[tuple[str, DistinguishedName]], prefix: str, problems: list[str]) -> None:
    # N10
    found = first_overlap([subject for _, subject in subjects])
    if found is not None:
        text, other = (quoted(subjects[position][0]) for position in found)
        problems.append(f"{prefix} has overlapping x509 trustedIdentities, {text} overlaps with {other}")

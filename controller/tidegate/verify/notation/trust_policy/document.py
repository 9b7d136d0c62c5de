"""Notation's ``trustpolicy.json``: bytes or plain data in, a document or every problem of it out.

Problems are in notation-go's words, after the path of their field. Unknown fields and repeated keys are refused: a
policy must not mean different things to different parsers.
"""

from collections.abc import Mapping
from typing import Any

from tidegate.errors import PolicyError, VerificationError
from tidegate.strict.json_text import parse_strict_json
from tidegate.strict.objection import describe
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.trust_policy.level import Level, TimestampRule, ValidationAction, ValidationType
from tidegate.verify.notation.trust_policy.lists import read_identities, read_stores
from tidegate.verify.notation.trust_policy.registry_scope import GLOBAL_SCOPE, parse_registry_scope
from tidegate.verify.notation.trust_policy.statement import (
    SignatureVerification,
    TrustPolicyDocument,
    TrustPolicyStatement,
)

MAX_POLICY_BYTES = 1024 * 1024
"""Bytes of one trust policy document."""
MAX_DOCUMENT_VALUES = 200_000
"""JSON values of one; the operator wrote it."""
MAX_STATEMENTS = 1000
MAX_SCOPES = 1000
"""Scopes of one statement."""

_VERSION = "1.0"
_DOCUMENT_FIELDS = frozenset({"version", "trustPolicies"})
_STATEMENT_FIELDS = frozenset({"name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities"})
_VERIFICATION_FIELDS = frozenset({"level", "override", "verifyTimestamp"})


def parse_trust_policy(content: bytes) -> TrustPolicyDocument:
    """Return the document of the bytes of a ``trustpolicy.json``; raise PolicyError with every problem."""
    # N12
    if len(content) > MAX_POLICY_BYTES:
        raise PolicyError((f"malformed trust policy: {len(content)} bytes, more than {MAX_POLICY_BYTES}",))
    try:
        value = parse_strict_json(content, "malformed trust policy", max_values=MAX_DOCUMENT_VALUES)
    except VerificationError as error:
        raise PolicyError((str(error),)) from error
    return read_trust_policy(value)


def read_trust_policy(value: object) -> TrustPolicyDocument:
    """Return the document of plain data in the shape of a ``trustpolicy.json``; raise PolicyError with every problem.

    Source: Notary Project trust store and trust policy specification, "Trust Policy Properties".
    """
    problems: list[str] = []
    document = _object(value, "", _DOCUMENT_FIELDS, problems)
    _check_version(document.get("version"), problems)
    entries = _list(document.get("trustPolicies", []), "trustPolicies", MAX_STATEMENTS, problems)
    if document.get("trustPolicies", []) == []:
        # N2
        problems.append("trustPolicies: oci trust policy document can not have zero trust policy statements")
    statements = [read_statement(entry, f"trustPolicies[{index}]", problems) for index, entry in enumerate(entries)]
    _check_names([statement.name for statement in statements], problems)
    _check_scopes(statements, problems)
    if problems:
        raise PolicyError(tuple(problems))
    return TrustPolicyDocument(statements=tuple(statements))


def read_statement(value: object, path: str, problems: list[str]) -> TrustPolicyStatement:
    """Return one statement, and add what is wrong with it to the problems. Only without problems may it be used."""
    entry = _object(value, path, _STATEMENT_FIELDS, problems)
    name = entry.get("name", "")
    if not isinstance(name, str) or not name:
        # N3
        problems.append(f"{path}.name: a trust policy statement is missing a name, every statement requires a name")
        name = ""
    verification = _verification(
        entry.get("signatureVerification", {}), name, f"{path}.signatureVerification", problems
    )
    stores = _strings(entry.get("trustStores", []), f"{path}.trustStores", problems)
    identities = _strings(entry.get("trustedIdentities", []), f"{path}.trustedIdentities", problems)
    _check_presence(name, verification.level, bool(stores), bool(identities), path, problems)
    scopes = _scopes(
        _strings(entry.get("registryScopes", []), f"{path}.registryScopes", problems), name, path, problems
    )
    if verification.level is Level.SKIP and GLOBAL_SCOPE in scopes:
        # N7: the specification forbids what would let every image pass.
        problems.append(
            f"{path}.registryScopes: trust policy statement {quoted(name)} is set to skip signature verification for the"
            " wildcard registry scope '*', which is not allowed"
        )
    return TrustPolicyStatement(
        name=name,
        registry_scopes=scopes,
        signature_verification=verification,
        trust_stores=read_stores(stores, name, f"{path}.trustStores", problems),
        trusted_identities=read_identities(identities, name, f"{path}.trustedIdentities", problems),
    )


def _check_version(version: object, problems: list[str]) -> None:
    # N1
    if version is None or version == "":
        problems.append("version: oci trust policy document has empty version, version must be specified")
    elif version != _VERSION:
        shown = quoted(version) if isinstance(version, str) else describe(version)
        problems.append(f"version: oci trust policy document uses unsupported version {shown}")


def _check_names(names: list[str], problems: list[str]) -> None:
    # N3
    problems += [
        f"trustPolicies: multiple oci trust policy statements use the same name {quoted(name)}, statement names must be"
        " unique"
        for name in dict.fromkeys(name for name in names if name and names.count(name) > 1)
    ]


def _check_scopes(statements: list[TrustPolicyStatement], problems: list[str]) -> None:
    # N11
    seen: set[str] = set()
    for scope in (scope for statement in statements for scope in statement.registry_scopes):
        if scope in seen:
            problems.append(
                f"trustPolicies: registry scope {quoted(scope)} is present in multiple oci trust policy statements, one"
                " registry scope value can only be associated with one statement"
            )
        seen.add(scope)


def _check_presence(name: str, level: Level, stores: bool, identities: bool, path: str, problems: list[str]) -> None:
    # N7
    if level is Level.SKIP and (stores or identities):
        problems.append(
            f"{path}: trust policy statement {quoted(name)} is set to skip signature verification but configured with"
            " trust stores and/or trusted identities, remove them if signature verification needs to be skipped"
        )
    elif level is not Level.SKIP and not (stores and identities):
        problems.append(
            f"{path}: trust policy statement {quoted(name)} is either missing trust stores or trusted identities, both"
            " must be specified"
        )


def _verification(value: object, name: str, path: str, problems: list[str]) -> SignatureVerification:
    entry = _object(value, path, _VERIFICATION_FIELDS, problems)
    prefix = f"trust policy statement {quoted(name)} has invalid signatureVerification: "
    level = _level(entry.get("level"), prefix, path, problems)
    override = _object(entry.get("override", {}), f"{path}.override", None, problems)
    if override and level is Level.SKIP:
        # N5
        problems.append(
            f'{path}.override: {prefix}signature verification level "skip" can\'t be used to customize signature'
            " verification"
        )
    rule = entry.get("verifyTimestamp", TimestampRule.ALWAYS)
    rule = TimestampRule.ALWAYS if rule == "" else rule
    if rule not in list(TimestampRule):
        # N6
        problems.append(
            f'{path}.verifyTimestamp: {prefix}verifyTimestamp must be "always" or "afterCertExpiry", but got'
            f" {quoted(rule) if isinstance(rule, str) else describe(rule)}"
        )
        rule = TimestampRule.ALWAYS
    return SignatureVerification(
        level=level,
        override=dict(
            pair
            for key, action in override.items()
            if (pair := _override(key, action, f"{path}.override", prefix, problems)) is not None
        ),
        verify_timestamp=TimestampRule(rule),
    )


def _level(value: object, prefix: str, path: str, problems: list[str]) -> Level:
    # N4
    if value is None or value == "":
        problems.append(
            f"{path}.level: {prefix}signature verification level is empty or missing in the trust policy statement"
        )
    elif value in list(Level):
        return Level(str(value))
    else:
        shown = quoted(value) if isinstance(value, str) else describe(value)
        problems.append(f"{path}.level: {prefix}invalid signature verification level {shown}")
    return Level.STRICT


def _override(
    key: str, action: object, path: str, prefix: str, problems: list[str]
) -> tuple[ValidationType, ValidationAction] | None:
    # N5
    supported_checks = " ".join(f'"{check}"' for check in ValidationType)
    supported_actions = " ".join(f'"{one}"' for one in ValidationAction)
    if key not in list(ValidationType):
        problem = (
            f"verification type {quoted(key)} in custom signature verification is not supported, supported values are"
            f" [{supported_checks}]"
        )
    elif action not in list(ValidationAction):
        shown = quoted(action) if isinstance(action, str) else describe(action)
        problem = (
            f"verification action {shown} in custom signature verification is not supported, supported values are"
            f" [{supported_actions}]"
        )
    elif key == ValidationType.INTEGRITY:
        problem = f"{quoted(key)} verification can not be overridden in custom signature verification"
    elif action == ValidationAction.SKIP and key != ValidationType.REVOCATION:
        problem = f"{quoted(key)} verification can not be skipped in custom signature verification"
    else:
        return ValidationType(key), ValidationAction(str(action))
    problems.append(f"{path}: {prefix}{problem}")
    return None


def _scopes(texts: list[str], name: str, path: str, problems: list[str]) -> tuple[str, ...]:
    # N11
    where = f"{path}.registryScopes"
    if not texts:
        problems.append(
            f"{where}: trust policy statement {quoted(name)} has zero registry scopes, it must specify registry scopes"
            " with at least one value"
        )
    if GLOBAL_SCOPE in texts and len(texts) > 1:
        problems.append(
            f"{where}: trust policy statement {quoted(name)} uses wildcard registry scope '*', a wildcard scope cannot"
            " be used in conjunction with other scope values"
        )
    found = []
    for text in texts:
        try:
            found.append(text if text == GLOBAL_SCOPE else parse_registry_scope(text))
        except VerificationError as error:
            problems.append(f"{where}: {error}")
    return tuple(found)


def _object(value: object, path: str, fields: frozenset[str] | None, problems: list[str]) -> Mapping[str, Any]:
    """Return the mapping that the value is, else an empty one; name unknown fields."""
    if not isinstance(value, Mapping):
        problems.append(f"{path or 'document'}: malformed trust policy, got {describe(value)}, expected an object")
        return {}
    if fields is not None:
        problems += [
            f"{path}.{key}".lstrip(".") + ": malformed trust policy, unknown field"
            for key in value
            if key not in fields
        ]
    return value


def _list(value: object, path: str, most: int, problems: list[str]) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        problems.append(f"{path}: malformed trust policy, got {describe(value)}, expected a list of at most {most}")
        return []
    return value


def _strings(value: object, path: str, problems: list[str]) -> list[str]:
    entries = _list(value, path, MAX_SCOPES, problems)
    if any(not isinstance(entry, str) for entry in entries):
        problems.append(f"{path}: malformed trust policy, expected a list of texts")
        return []
    return entries

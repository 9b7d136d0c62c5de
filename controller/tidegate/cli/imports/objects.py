"""Converts a Notation trust policy and its trust stores to ImagePolicy and TrustStore objects with the same effect.

Every part that cannot be converted is reported as a loss with its field. Objects with losses are stricter than the trust
policy, never looser.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.imports.scopes import image_scopes, is_unreachable
from tidegate.errors import PolicyError
from tidegate.policy.authorities import MAX_AUTHORITIES
from tidegate.policy.notation_authority import IDENTITY_PATTERN, MAX_IDENTITIES
from tidegate.policy.objects import API_VERSION
from tidegate.policy.parse import parse_policy
from tidegate.policy.trust_store_object import MAX_TEXT, parse_trust_store
from tidegate.strict.quotation import quoted
from tidegate.verify.notation.trust_policy.level import Level
from tidegate.verify.notation.trust_policy.registry_scope import GLOBAL_SCOPE
from tidegate.verify.notation.trust_policy.statement import TrustPolicyDocument, TrustPolicyStatement
from tidegate.verify.notation.trust_store.store import CertificateStore, CertificateStores, StoreKind, StoreName

MAX_STEM = 40
"""Characters of a statement's or a trust store's name in an object's name."""
MAX_SUBJECTS = 10
"""Certificates of a trust store in a comment."""

NOWHERE = "refused.invalid"
"""The registry of a policy that refuses all images: no host name ends in .invalid (RFC 2606)."""
ONLY_ECR = (
    "Images in registries other than Amazon ECR are refused. To verify their signatures, list every registry in use in"
    " spec.registries."
)
SOURCE = "tidegate.dev/imported-from"
_SUFFIXES = {StoreKind.CA: "ca", StoreKind.SIGNING_AUTHORITY: "signing-authority", StoreKind.TSA: "tsa"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedObject:
    """An object, and comment lines about it."""

    comment: tuple[str, ...]
    content: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Importer:
    """Converts one document.

    ``written`` is the document's JSON, which has the identities as they were written. ``losses`` are the parts that could
    not be converted, each with its field and the reason. ``remarks`` are about parts that need no object.
    """

    document: TrustPolicyDocument
    written: Mapping[str, Any]
    stores: CertificateStores
    prefix: str
    actions: Sequence[str]
    losses: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _covered: list[str] = field(default_factory=list)

    def run(self) -> list[ImportedObject]:
        """Return the objects: trust stores, a policy for each statement, and the policy about all registries."""
        names = {name: self._name(f"{name.name}-{_SUFFIXES[name.kind]}") for name in self.stores.stores}
        objects = [self._trust_store(names[name], store) for name, store in self.stores.stores.items()]
        for index, statement in enumerate(self.document.statements):
            identities = self.written["trustPolicies"][index].get("trustedIdentities", ())
            objects.append(self._statement(statement, f"trustPolicies[{index}]", identities, names))
        return [one for one in (*objects, self._registries()) if one is not None]

    def _statement(
        self, statement: TrustPolicyStatement, path: str, identities: Sequence[str], names: Mapping[StoreName, str]
    ) -> ImportedObject | None:
        """Return the policy of a statement, or None if it needs none or no image can match it."""
        everywhere = GLOBAL_SCOPE in statement.registry_scopes
        if everywhere and len(self.document.statements) > 1:
            self._lose(
                f"{path}.registryScopes",
                "the scope '*' means every repository that no other statement names, but an image must meet every policy"
                " that matches it, so images of the other statements would have to meet this one too; list the repositories",
            )
        scopes = [] if everywhere else self._scopes(statement.registry_scopes, f"{path}.registryScopes")
        self._covered += scopes
        if statement.signature_verification.level is Level.SKIP:
            named = f"statement {quoted(statement.name)}"
            self.remarks.append(f"{named} has level skip, so no policy requires signatures of: {', '.join(scopes)}")
            return None
        authorities = self._authorities(statement, path, identities, names)
        if not scopes and not everywhere:
            return None
        name, source = self._name(statement.name), f"statement {quoted(statement.name)}"
        spec: dict[str, Any] = {"validationActions": list(self.actions)}
        spec |= {"match": {"images": image_scopes(scopes)}} if scopes else {}
        # tidegate contacts registries other than Amazon ECR only if a policy lists them.
        listed = {"registries": image_scopes(scopes)} if scopes else {}
        notes = () if scopes else (ONLY_ECR,)
        made = self._object("ImagePolicy", name, source, spec | listed | {"signatures": {"anyOf": authorities}}, *notes)
        if authorities and self._parses(parse_policy, made.content, path):
            return made
        comment = "This statement cannot be converted, so this policy refuses all of its images."
        refusal = self._object("ImagePolicy", name, source, spec | {"registries": [{"host": NOWHERE}]}, comment)
        if not self._parses(parse_policy, refusal.content, path):
            raise ArgumentError(f"{path}: cannot be converted, even with --partial: {self.losses[-1][1]}")
        return refusal

    def _scopes(self, scopes: Iterable[str], path: str) -> list[str]:
        found = []
        for index, scope in enumerate(scopes):
            if is_unreachable(scope):
                self._lose(f"{path}[{index}]", f"no image reference can match the scope {quoted(scope)}; remove it")
            else:
                found.append(scope)
        return found

    def _authorities(
        self, statement: TrustPolicyStatement, path: str, identities: Sequence[str], names: Mapping[StoreName, str]
    ) -> list[dict[str, Any]]:
        """Return authorities, any of which is enough, as any trusted identity of the statement is enough."""
        usable = []
        for index, text in enumerate(identities):
            if re.fullmatch(IDENTITY_PATTERN, text, re.ASCII):
                usable.append(text)
            else:
                self._lose(
                    f"{path}.trustedIdentities[{index}]",
                    f"the identity {quoted(text)} needs a verification plugin, and tidegate runs none; use an x509.subject"
                    " or the ARN of an AWS Signer profile",
                )
        parts = [usable[start : start + MAX_IDENTITIES] for start in range(0, len(usable), MAX_IDENTITIES)]
        if len(parts) > MAX_AUTHORITIES:
            most = MAX_AUTHORITIES * MAX_IDENTITIES
            self._lose(
                f"{path}.trustedIdentities",
                f"got {len(usable)} trusted identities, expected at most {most}; split the statement",
            )
        stem = _slug(statement.name)
        return [
            {
                "name": stem if not number else f"{stem}-{number + 1}",
                "notation": self._notation(statement, part, names),
            }
            for number, part in enumerate(parts[:MAX_AUTHORITIES])
        ]

    @staticmethod
    def _notation(
        statement: TrustPolicyStatement, identities: list[str], names: Mapping[StoreName, str]
    ) -> dict[str, Any]:
        verification = statement.signature_verification
        overrides = {check.value: action.value for check, action in verification.override.items()}
        return {
            "trustStores": [names[store] for store in statement.trust_stores],
            "trustedIdentities": identities,
            "level": verification.level.value,
            **({"overrides": overrides} if overrides else {}),
            "verifyTimestamp": verification.verify_timestamp.value,
        }

    def _registries(self) -> ImportedObject | None:
        """Return the policy that refuses images that no statement covers; a global statement covers all."""
        if not self._covered or any(GLOBAL_SCOPE in one.registry_scopes for one in self.document.statements):
            return None
        spec = {"validationActions": list(self.actions), "registries": image_scopes(self._covered)}
        made = self._object(
            "ImagePolicy",
            self._name("registries"),
            "all registryScopes",
            spec,
            "Notation does not verify images that no statement covers, so all other images violate this policy.",
            "With --action Deny, it also refuses images of the control plane and of add-ons. To admit them, delete this"
            " object or restrict it with match.namespaces.",
        )
        return made if self._parses(parse_policy, made.content, "trustPolicies") else None

    def _trust_store(self, name: str, store: CertificateStore) -> ImportedObject | None:
        pems = [one.parsed.public_bytes(Encoding.PEM).decode("ascii") for one in store.certificates]
        spec = {"type": store.name.kind.value, "certificates": _packed(pems)}
        subjects = tuple(quoted(one.subject) for one in store.certificates[:MAX_SUBJECTS])
        more = (f"and {len(pems) - MAX_SUBJECTS} more",) if len(pems) > MAX_SUBJECTS else ()
        made = self._object("TrustStore", name, f"trust store {store.name}", spec, *subjects, *more)
        return made if self._parses(parse_trust_store, made.content, "") else None

    @staticmethod
    def _object(kind: str, name: str, source: str, spec: Mapping[str, Any], *comment: str) -> ImportedObject:
        return ImportedObject(
            comment=(f"From {source}.", *comment),
            content={
                "apiVersion": API_VERSION,
                "kind": kind,
                "metadata": {"name": name, "annotations": {SOURCE: source}},
                "spec": spec,
            },
        )

    def _parses(self, parse: Callable[[Mapping[str, Any]], object], content: Mapping[str, Any], path: str) -> bool:
        """Tell whether the cluster would accept the object; if not, record a loss."""
        try:
            parse(content)
        except PolicyError as error:
            name = content["metadata"]["name"]
            for problem in error.problems:
                self._lose(path, f"the {content['kind']} {name} would be invalid: {problem}")
            return False
        return True

    def _lose(self, path: str, problem: str) -> None:
        self.losses.append((path, problem))

    def _name(self, stem: str) -> str:
        """Return a name for an object that is unique in this import."""
        base = f"{self.prefix}-{_slug(stem)}"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return name


def _packed(pems: Iterable[str]) -> list[str]:
    """Join the certificates to as few texts as the size limit of a TrustStore's texts allows."""
    texts = [""]
    for pem in pems:
        if len(texts[-1]) + len(pem) > MAX_TEXT:
            texts.append("")
        texts[-1] += pem
    return [text for text in texts if text]


def _slug(text: str) -> str:
    """Return the text as a part of a Kubernetes name."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_STEM].strip("-")
    return plain or "unnamed"

"""TrustStore objects, from the API server or from a file, into values: their type, and the source of their content.

Only what the API server can check is checked here; certificates are parsed where signatures are verified. The CRD is
generated from ``SPEC``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tidegate.errors import PolicyError
from tidegate.policy.names import NAME_PATTERN, object_name
from tidegate.policy.objects import bounded, fault, read_object, salvaged_identity
from tidegate.policy.shape import Choice, Constraint, Field, Flag, ListOf, Section, Text
from tidegate.policy.trust_stores import BrokenTrustStore, StoreType

KIND: Final = "TrustStore"
PLURAL: Final = "truststores"

MAX_STORES: Final = 256
"""Trust stores of a cluster; those beyond it, by name, are broken."""
MAX_TEXTS: Final = 32
MAX_TEXT: Final = 32_768
"""Characters of one text of certificates."""
MAX_KEYS: Final = 32
MAX_DOCUMENT: Final = 262_144
"""Characters of a trusted root, or of a root of TUF. That of Sigstore's public instance has 7,000."""
BEGIN: Final = "-----BEGIN CERTIFICATE-----"

KEY_PATTERN: Final = "^[-._a-zA-Z0-9]+$"
URL_PATTERN: Final = r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$"


class BuiltIn(StrEnum):
    """Roots that are shipped with the program."""

    AWS_SIGNER = "AWSSigner"
    AWS_SIGNER_GOV_CLOUD = "AWSSignerGovCloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineCertificates:
    """Certificates as PEM, one text or more."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapSource:
    """Content in a ConfigMap. ``namespace`` None is the controller's own; without ``keys`` all of them."""

    name: str
    namespace: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineTrustedRoot:
    """A whole trusted_root.json."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TufRepository:
    """A repository from which the trusted root is fetched again and again.

    ``root`` is the root.json to start from. None means that of Sigstore's public instance, which is shipped with tidegate.
    """

    url: str | None = None
    root: str | None = None


Source = InlineCertificates | ConfigMapSource | BuiltIn | InlineTrustedRoot | TufRepository


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoreObject:
    """A TrustStore as it was written."""

    name: str
    uid: str
    generation: int
    type: StoreType
    source: Source


_SOURCES = ("certificates", "configMap", "builtIn", "trustedRoot", "publicGood", "tuf")
_SIGSTORE_ONLY = ("trustedRoot", "publicGood", "tuf")
_OTHERS_ONLY = ("certificates", "builtIn")


def _not_one_source(written: Mapping[str, Any]) -> str | None:
    named = [name for name in _SOURCES if name in written]
    if len(named) == 1:
        return None
    return f"{' and '.join(named)} together" if named else "no source"


def _source_of_another_type(written: Mapping[str, Any]) -> str | None:
    wanted = written.get("type")
    if wanted not in [one.value for one in StoreType]:
        return None
    unfit = _OTHERS_ONLY if wanted == StoreType.SIGSTORE.value else _SIGSTORE_ONLY
    return next((f"{name} with type {wanted}" for name in unfit if name in written), None)


def _built_in_of_another_type(written: Mapping[str, Any]) -> str | None:
    wanted = written.get("type")
    other = "builtIn" in written and wanted in (StoreType.CA.value, StoreType.TSA.value)
    return f"builtIn with type {wanted}" if other else None


def _trusted_roots(written: Mapping[str, Any]) -> str | None:
    source = written.get("configMap")
    keys = source.get("keys") if isinstance(source, Mapping) else None
    several = written.get("type") == StoreType.SIGSTORE.value and isinstance(keys, list | tuple) and len(keys) > 1
    return f"{len(keys)} keys with type sigstore" if several and keys else None


def _pem(text: str) -> str | None:
    return text if BEGIN in text else None


def _json_object(text: str) -> str | None:
    return text if text.lstrip(" \t\r\n").startswith("{") else None


def _document(expected: str, do: str) -> Text[str]:
    rule = r"self.matches(r'^[ \t\r\n]*\{')"
    return Text(expected=expected, do=do, make=_json_object, maximum=MAX_DOCUMENT, rule=rule)


def _spec(
    *,
    type: StoreType,  # noqa: A002 - the field's name
    certificates: tuple[str, ...] | None = None,
    trusted_root: str | None = None,
    public_good: bool | None = None,
    **others: Source,
) -> dict[str, Any]:
    source: Source
    if certificates is not None:
        source = InlineCertificates(texts=certificates)
    elif trusted_root is not None:
        source = InlineTrustedRoot(text=trusted_root)
    elif public_good is not None:
        source = TufRepository()
    else:
        (source,) = others.values()
    return {"type": type, "source": source}


CONFIG_MAP: Final = Section(
    build=ConfigMapSource,
    fields=(
        Field(
            "name",
            object_name("ConfigMap"),
            "The name of the ConfigMap.",
            required=True,
        ),
        Field(
            "namespace",
            object_name("namespace", maximum=63, pattern=NAME_PATTERN),
            "The namespace of the ConfigMap; by default tidegate's own. List any other namespace in the chart value"
            " `trustStores.configMapNamespaces`, because tidegate has permission to read only those ConfigMaps.",
        ),
        Field(
            "keys",
            ListOf(
                item=Text(
                    expected="a key of the ConfigMap",
                    do="see kubectl describe configmap",
                    make=str,
                    maximum=253,
                    pattern=KEY_PATTERN,
                ),
                minimum=1,
                maximum=MAX_KEYS,
                unique=True,
            ),
            "The keys that hold certificates, as PEM or DER (in `binaryData`); other keys are ignored. If omitted, every key"
            " must hold certificates. With type `sigstore`, the one key that holds the trusted root; if omitted,"
            " `trusted_root.json`, or the only key.",
        ),
    ),
)

TUF: Final = Section(
    build=TufRepository,
    fields=(
        Field(
            "url",
            Text(
                expected="the address of a TUF repository, without query",
                do="write it such as https://tuf.example.com",
                make=str,
                maximum=2048,
                pattern=URL_PATTERN,
                by_rule=True,
            ),
            "The URL of the repository, without query. If its host has a private address, add the host to the chart"
            " value `trustStores.privateHosts`; the address of instance metadata is always refused.",
            required=True,
        ),
        Field(
            "root",
            _document("the JSON of the repository's root.json", "write the whole of a root.json that you trust"),
            "The text of a `root.json` of the repository that you trust. tidegate updates it to the latest version,"
            " each version signed by the previous one, so it need not be the newest.",
            required=True,
        ),
    ),
)

SPEC: Final[Section[dict[str, Any]]] = Section(
    build=_spec,
    description="What the trust store is trusted for, and the one source of its content.",
    checks=(
        Constraint(
            expected=f"exactly one of {', '.join(_SOURCES)}",
            do="keep one of them; make a TrustStore for each source",
            got=_not_one_source,
            rule=f"[{', '.join(f'has(self.{name})' for name in _SOURCES)}].filter(named, named).size() == 1",
        ),
        Constraint(
            expected="trustedRoot, publicGood, tuf or configMap with type sigstore, certificates, builtIn or configMap with"
            " another type",
            do="change the type or the source",
            got=_source_of_another_type,
            rule="self.type == 'sigstore' ? !has(self.certificates) && !has(self.builtIn)"
            " : !has(self.trustedRoot) && !has(self.publicGood) && !has(self.tuf)",
        ),
        Constraint(
            expected="builtIn with type signingAuthority",
            do="change the type or the source",
            got=_built_in_of_another_type,
            rule="self.type == 'signingAuthority' || self.type == 'sigstore' || !has(self.builtIn)",
        ),
        Constraint(
            expected="one key of the ConfigMap with type sigstore",
            do="name the key that holds the trusted root",
            got=_trusted_roots,
            rule="self.type != 'sigstore' || !has(self.configMap) || !has(self.configMap.keys) ||"
            " self.configMap.keys.size() <= 1",
        ),
    ),
    fields=(
        Field(
            "type",
            Choice(words=StoreType),
            "What the content is trusted for. `ca`: Notation; certificates that the signer's own chain must lead to."
            " `signingAuthority`: Notation; services that sign for others and assert the signing time, such as AWS"
            " Signer. `tsa`: Notation; timestamp authorities. `sigstore`: everything that Sigstore needs, in one"
            " trusted root. A certificate counts for its type only.",
            required=True,
        ),
        Field(
            "certificates",
            ListOf(
                item=Text(
                    expected="certificates as PEM",
                    do="write them from their BEGIN CERTIFICATE to their END CERTIFICATE line",
                    make=_pem,
                    maximum=MAX_TEXT,
                    rule=f"self.contains('{BEGIN}')",
                ),
                minimum=1,
                maximum=MAX_TEXTS,
            ),
            "Certificates as PEM, one or more in each text. Each must be a CA certificate or self-signed; with type"
            " `tsa` both.",
        ),
        Field(
            "configMap",
            CONFIG_MAP,
            "A ConfigMap with the content, which tidegate reads again every minute. A user who may change it decides which"
            " signers are trusted.",
        ),
        Field(
            "builtIn",
            Choice(words=BuiltIn),
            "Root certificates that ship with tidegate and are checked against their fingerprints; with type"
            " `signingAuthority`. `AWSSigner`: AWS Signer in the commercial regions. `AWSSignerGovCloud`: in the"
            " GovCloud regions.",
        ),
        Field(
            "trustedRoot",
            _document("the JSON of a trusted_root.json", "write the whole file, as a text"),
            "A whole `trusted_root.json`, as text; with type `sigstore`. For your own Sigstore instance, and for"
            " clusters without internet access: tidegate fetches nothing, and you update it.",
        ),
        Field(
            "publicGood",
            Flag(only_true=True),
            "`true` for the trusted root of Sigstore's public instance, fetched from `tuf-repo-cdn.sigstore.dev`"
            " every few hours; with type `sigstore`.",
        ),
        Field(
            "tuf",
            TUF,
            "Your own TUF repository that has a target `trusted_root.json`, fetched every few hours; with type"
            " `sigstore`.",
        ),
    ),
)
"""The whole spec; its value is the arguments of StoreObject."""


def parse_trust_store(obj: Mapping[str, Any]) -> StoreObject:
    """Return the trust store that an object is; raise PolicyError with every problem, as ``parse_policy`` does."""
    return StoreObject(**read_object(obj, KIND, SPEC))


def read_trust_store(obj: Mapping[str, Any]) -> StoreObject | BrokenTrustStore:
    """Return the trust store, or what is left of it when it cannot be read. Never raises."""
    try:
        return parse_trust_store(obj)
    except PolicyError as error:
        problems = error.problems
    except Exception as error:  # noqa: BLE001 - a fault of ours must not take every other trust store down with it
        problems = fault(error)
    return BrokenTrustStore(**salvaged_identity(obj), problems=bounded(problems))

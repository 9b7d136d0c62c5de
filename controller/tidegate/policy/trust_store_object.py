"""TrustStore objects, from the API server or from a file, into values: which kind of store, and where its content is.

The content itself is not looked at here beyond what the API server can see: certificates are judged where they are
verified by. Names, limits and patterns are the CRD's; a test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tidegate.errors import PolicyError
from tidegate.policy.objects import bounded, collect, fault, identity, salvaged_identity
from tidegate.policy.shape import Choice, Field, Flag, ListOf, Objection, Section, Text
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
NAME_PATTERN: Final = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
NAMESPACE_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
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

    ``root`` is the root.json to start from. None stands for Sigstore's public instance, which the program knows.
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


def _one_source(written: Mapping[str, Any]) -> Objection | None:
    named = [name for name in _SOURCES if name in written]
    if len(named) == 1:
        return None
    got = f"{' and '.join(named)} together" if named else "no source"
    do = "keep one of them, or make two TrustStores" if named else "add the one that has the content"
    return Objection(got, f"exactly one of {', '.join(_SOURCES)}", do)


def _source_fits(written: Mapping[str, Any]) -> Objection | None:
    """Refuse a source that can't hold what the type needs."""
    wanted = written.get("type")
    if wanted not in [one.value for one in StoreType]:
        return None
    for name in _OTHERS_ONLY if wanted == StoreType.SIGSTORE.value else _SIGSTORE_ONLY:
        if name in written:
            return Objection(
                f"{name} with type {wanted}",
                f"{', '.join(_SIGSTORE_ONLY)} or configMap with type sigstore, certificates, builtIn or configMap else",
                "change the type or the source",
            )
    if "builtIn" in written and wanted != StoreType.SIGNING_AUTHORITY.value:
        return Objection(f"builtIn with type {wanted}", "builtIn with type signingAuthority", "change the type")
    source = written.get("configMap")
    keys = source.get("keys") if isinstance(source, Mapping) else None
    if wanted == StoreType.SIGSTORE.value and isinstance(keys, list | tuple) and len(keys) > 1:
        return Objection(f"{len(keys)} keys with type sigstore", "one key", "name the key with the trusted root")
    return None


def _public_good_is_true(written: Mapping[str, Any]) -> Objection | None:
    if written.get("publicGood") is False:
        return Objection("publicGood: false", "publicGood: true", "remove it, and name another source")
    return None


def _pem(text: str) -> str | None:
    return text if BEGIN in text else None


def _json_object(text: str) -> str | None:
    return text if text.lstrip(" \t\r\n").startswith("{") else None


def _document(expected: str, do: str) -> Text[str]:
    return Text(expected=expected, do=do, make=_json_object, maximum=MAX_DOCUMENT)


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
            Text(
                expected="the name of a ConfigMap",
                do="see kubectl get configmaps",
                make=str,
                maximum=253,
                pattern=NAME_PATTERN,
            ),
            into="name",
            required=True,
        ),
        Field(
            "namespace",
            Text(
                expected="the name of a namespace",
                do="see kubectl get namespaces",
                make=str,
                maximum=63,
                pattern=NAMESPACE_PATTERN,
            ),
            into="namespace",
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
                unique=str,
            ),
            into="keys",
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
            into="url",
            required=True,
        ),
        Field(
            "root",
            _document("the JSON of the repository's root.json", "write the whole of a root.json that you trust"),
            into="root",
            required=True,
        ),
    ),
)

SPEC: Final[Section[dict[str, Any]]] = Section(
    build=_spec,
    checks=(_one_source, _source_fits, _public_good_is_true),
    fields=(
        Field("type", Choice(words=StoreType), into="type", required=True),
        Field(
            "certificates",
            ListOf(
                item=Text(
                    expected="certificates as PEM",
                    do="write them from their BEGIN CERTIFICATE to their END CERTIFICATE line",
                    make=_pem,
                    maximum=MAX_TEXT,
                ),
                minimum=1,
                maximum=MAX_TEXTS,
            ),
            into="certificates",
        ),
        Field("configMap", CONFIG_MAP, into="config_map"),
        Field("builtIn", Choice(words=BuiltIn), into="built_in"),
        Field(
            "trustedRoot",
            _document("the JSON of a trusted_root.json", "write the whole file, as a text"),
            into="trusted_root",
        ),
        Field("publicGood", Flag(), into="public_good"),
        Field("tuf", TUF, into="tuf"),
    ),
)
"""The whole spec; its value is the arguments of StoreObject."""


def parse_trust_store(obj: Mapping[str, Any]) -> StoreObject:
    """Return the trust store that an object is; raise PolicyError with every problem, as ``parse_policy`` does."""
    problems: list[str] = []
    known = collect(problems, lambda: identity(obj, KIND))
    arguments = collect(problems, lambda: SPEC.read(obj.get("spec"), "spec") if isinstance(obj, Mapping) else {})
    if problems or known is None or arguments is None:
        raise PolicyError(tuple(problems))
    return StoreObject(**known, **arguments)


def read_trust_store(obj: Mapping[str, Any]) -> StoreObject | BrokenTrustStore:
    """Return the trust store, or what is left of it when it cannot be read. Never raises."""
    try:
        return parse_trust_store(obj)
    except PolicyError as error:
        problems = error.problems
    except Exception as error:  # noqa: BLE001 - a fault of ours must not take every other trust store down with it
        problems = fault(error)
    return BrokenTrustStore(**salvaged_identity(obj), problems=bounded(problems))

"""Registry scopes of trust policies: a repository in full, or ``*`` for all of them."""

import re

from tidegate.errors import VerificationError
from tidegate.images.digest import parse_digest
from tidegate.strict.quotation import quoted

GLOBAL_SCOPE = "*"
MAX_SCOPE_CHARACTERS = 1024
"""Characters of a scope or reference."""

# Possessive quantifiers, so that matching always takes linear time.
_LABEL = r"[a-zA-Z0-9]++(?:-++[a-zA-Z0-9]++)*+"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+(?::[0-9]++)?+", re.ASCII)
_COMPONENT = r"[a-z0-9]++(?:(?:\.|__?+|-++)[a-z0-9]++)*+"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*+", re.ASCII)
_ENSURE = (
    "make sure it is a fully qualified repository without the scheme, protocol or tag. For example"
    " domain.com/my/repository or a local scope like local/myOCILayout"
)


def parse_registry_scope(text: str) -> str:
    """Return the scope with its domain in lower case; raise VerificationError in notation-go's words.

    ``*`` is no scope here: only a whole entry may be the wildcard.
    """
    # N11
    if "*" in text:
        raise VerificationError(f"registry scope {quoted(text)} with wild card(s) is not valid, {_ENSURE}")
    domain, _, repository = text.partition("/")
    well_formed = _DOMAIN.fullmatch(domain) is not None and _REPOSITORY.fullmatch(repository) is not None
    if not well_formed or len(text) > MAX_SCOPE_CHARACTERS:
        raise VerificationError(f"registry scope {quoted(text)} is not valid, {_ENSURE}")
    return f"{domain.lower()}/{repository}"


def scope_of_reference(reference: str) -> str:
    """Return the scope that a reference ``domain/repository@sha256:...`` lies in; raise VerificationError otherwise.

    The reference is taken as it is: short names, tags and aliases of registries are resolved before.
    """
    # N18
    path, at, digest = reference.rpartition("@")
    if not at or parse_digest(digest) is None:
        raise VerificationError(
            f"artifact URI {quoted(reference)} could not be parsed, make sure it is the fully qualified oci artifact URI"
            " without the scheme/protocol. e.g domain.com:80/my/repository@sha256:digest"
        )
    return parse_registry_scope(path)

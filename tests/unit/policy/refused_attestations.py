"""Specs whose attestations the parser and the API server refuse, with what each says of them."""

from tests.unit.policy.refusal import UNKNOWN, Refused
from tests.unit.policy.signature_examples import (
    KEYLESS,
    NOTATION,
    attested,
)

LINE = "on one line and without spaces around it; write it"
STAR = "expected * alone; remove *, which trusts every signer, or all the others"
ROOT = "expected trustedRoot, the name of a TrustStore of type sigstore"
IDENTITY = "expected *, x509.subject: with a distinguished name"
METADATA_KEY = "expected a key of 1 to 256 characters on one line"

REFUSED: dict[str, Refused] = {
    "no attestation": Refused(
        {"attestations": []}, "spec.attestations: got a list of 0, expected 1 to 16 items", "at least 1 items"
    ),
    "seventeen attestations": Refused(
        {"attestations": [attested(name=f"a{index}")["attestations"][0] for index in range(17)]},
        "spec.attestations: got a list of 17",
        "must have at most 16 items",
    ),
    "an attestation twice": Refused(
        attested() | {"attestations": attested()["attestations"] * 2},
        "spec.attestations: got 'sbom' twice",
        "spec.attestations[1]: Duplicate value",
    ),
    "an attestation without name": Refused(
        attested(name=None), "spec.attestations[0].name: got nothing", "spec.attestations[0].name: Required value"
    ),
    "an attestation named in upper case": Refused(
        attested(name="SBOM"), "attestations[0].name: got 'SBOM'", "name in body should match"
    ),
    "an attestation without type": Refused(
        attested(predicateType=None),
        "spec.attestations[0].predicateType: got nothing",
        "predicateType: Required value",
    ),
    "a predicate type with a line break": Refused(
        attested(predicateType="t\n"),
        r"attestations[0].predicateType: got 't\n'",
        "expected the URI of a predicate type",
    ),
    "a predicate type longer than any": Refused(
        attested(predicateType="t" * 513), "predicateType: got 'ttt", "may not be more than 512"
    ),
    "an attestation without authorities": Refused(
        attested(authorities=None),
        "spec.attestations[0]: got neither authorities nor anyOf, expected exactly one of authorities and anyOf",
        "expected exactly one of authorities and anyOf",
    ),
    "an attestation by names and by its own": Refused(
        attested(anyOf=[{"name": "a", "sigstore": KEYLESS}]),
        "spec.attestations[0]: got both authorities and anyOf",
        "expected exactly one of authorities and anyOf",
    ),
    "no named authority": Refused(
        attested(authorities=[]), "authorities: got a list of 0", "authorities in body should have at least 1 items"
    ),
    "a named authority twice": Refused(
        attested(authorities=["ci", "ci"]), "authorities: got 'ci' twice", 'authorities[1]: Duplicate value: "ci"'
    ),
    "an authority that is not there": Refused(
        attested(authorities=["ci", "cd"]),
        "spec.attestations[0].authorities[1]: got 'cd', not an authority of signatures, expected the name of a sigstore"
        " authority of signatures.anyOf; use one of 'ci'",
        "expected attestations whose authorities are sigstore authorities of signatures.anyOf",
    ),
    "an authority by name without signatures": Refused(
        {"attestations": attested()["attestations"]},
        "authorities[0]: got 'ci', not an authority of signatures, expected the name of a sigstore authority of"
        " signatures.anyOf; add it there, or use anyOf here",
        "expected attestations whose authorities are sigstore authorities",
    ),
    "an attestation by Notation": Refused(
        attested(authorities=["aws"]),
        "spec.attestations[0].authorities[0]: got 'aws', an authority of notation, expected",
        "expected attestations whose authorities are sigstore authorities",
    ),
    "an own authority of Notation": Refused(
        attested(authorities=None, anyOf=[{"name": "a", "notation": NOTATION}]),
        "spec.attestations[0].anyOf[0].notation: got a field that does not exist here",
        f'{UNKNOWN} "spec.attestations[0].anyOf[0].notation"',
    ),
    "no own authority": Refused(
        attested(authorities=None, anyOf=[]), "attestations[0].anyOf: got a list of 0", "should have at least 1 items"
    ),
    "an own authority twice": Refused(
        attested(authorities=None, anyOf=[{"name": "a", "sigstore": KEYLESS}] * 2),
        "attestations[0].anyOf: got 'a' twice",
        "attestations[0].anyOf[1]: Duplicate value",
    ),
    "five own authorities": Refused(
        attested(authorities=None, anyOf=[{"name": f"a{index}", "sigstore": KEYLESS} for index in range(5)]),
        "attestations[0].anyOf: got a list of 5, expected 1 to 4 items",
        "must have at most 4 items",
    ),
    "seventeen conditions": Refused(
        attested(conditions=["true"] * 17), "conditions: got a list of 17", "must have at most 16 items"
    ),
    "an empty condition": Refused(attested(conditions=[""]), "conditions[0]: got ''", "at least 1 chars long"),
    "a condition longer than any": Refused(
        attested(conditions=["'" + "x" * 2040 + "' == 'y'"]), "conditions[0]: got", "may not be more than 2048"
    ),
}

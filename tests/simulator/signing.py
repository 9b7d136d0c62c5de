"""Signatures for the images of a simulated world, as Notation, AWS Signer and cosign put them into a registry.

`world.signing` makes them and puts them beside an image, which is named as in `World`, `account=` and `region=` too::

    world.signing.sign_with_aws_signer("team/app", "v1", profile="release")
    world.signing.sign_with_notation("team/app", "v1", signer="release", authority="acme", form="cose", timestamped=True)
    world.signing.sign_with_key("team/app", "v1", key="vendor", form="legacy")
    world.signing.sign_keyless("team/app", "v1", subject="release@acme.test", issuer="https://issuer.test")
    world.signing.sign_keyless("team/app", "v1", predicate_type="https://slsa.dev/provenance/v1", predicate={...})
    world.authorities.trust_stores()     # TrustStore objects by which all but bare keys verify; those: public_key(name)

Signatures from here are sound, if expired or revoked: for envelopes with other defects there are pki and
`World.add_signature`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args
from uuid import NAMESPACE_URL, uuid5

from tests.simulator import artifacts
from tests.simulator.pki.aws_signer import sign_as_aws
from tests.simulator.pki.envelopes import COSE, JWS, sign
from tests.simulator.pki.sigstore import COSIGN_SIGN, ISSUER, SUBJECT, LocalSigstore, simple_signing, statement
from tests.simulator.pki.timestamps import issue_token

if TYPE_CHECKING:
    from tests.simulator.clock import Moment
    from tests.simulator.world import World

AN_HOUR_AGO = "-1h"
LONG = timedelta(days=135 * 30)
"""How long AWS Signer's signatures are good."""
SHORT = timedelta(seconds=1)
"""How long a signature is good that is to be expired."""
PROFILE_VERSION = "AbCdEf1234"

EnvelopeForm = Literal["jws", "cose"]
CosignForm = Literal["bundle", "legacy"]
"""A bundle as referrer, or a layer of the image under the tag that is made of the digest."""
_MEDIA_TYPES = {"jws": JWS, "cose": COSE}


class Common(TypedDict, total=False):
    """What every call takes.

    `of` names the image of the repository that is signed, where that is not the one beside which the signature comes to
    stand, as with a signature that was copied. `signed_at` is an hour ago unless told.
    """

    of: str | None
    signed_at: Moment
    account: str | None
    region: str | None


class Attested(Common, total=False):
    """What cosign is told besides.

    With `predicate_type` it attests the `predicate` instead of signing. `signed_as` is the repository that a legacy
    signature names, by default the image's own.
    """

    form: CosignForm
    predicate_type: str | None
    predicate: Any
    signed_as: str | None


@dataclass(frozen=True, kw_only=True)
class _Cosign:
    """cosign by one signer: a bundle about a statement, the annotations of a layer, an attestation's layer with them."""

    bundle: Callable[[bytes], Mapping[str, Any]]
    sign: Callable[[bytes], Mapping[str, str]]
    attest: Callable[[bytes], tuple[bytes, Mapping[str, str]]]


class Signing:
    """Sign images of one world. Every method gives the digest of the manifest that holds the signature."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = count(1)

    def profile_arn(self, profile: str) -> str:
        """Give the ARN of a signing profile of the cluster's account and region; an ARN stands for itself."""
        if profile.startswith("arn:"):
            return profile
        return f"arn:aws:signer:{self._world.region}:{self._world.account}:/signing-profiles/{profile}"

    def sign_with_aws_signer(
        self,
        repository: str,
        image: str,
        *,
        profile: str = "release",
        expired: bool = False,
        revoked: bool = False,
        **common: Unpack[Common],
    ) -> str:
        """Sign by a profile, named or by ARN. `revoked` revokes this signature; `World.add_revocation` whole profiles."""
        _refuse_others(common, Common.__annotations__)
        arn, at = self.profile_arn(profile), self._signed_at(common)
        job = self._job(arn)
        envelope = sign_as_aws(
            self._world.authorities.aws_signer_leaf(at),
            changes={
                "com.amazonaws.signer.signingJob": job,
                "com.amazonaws.signer.signingProfileVersion": f"{arn}/{PROFILE_VERSION}",
            },
            target=self._target(repository, image, common),
            signing_time=at,
            expiry=at + (SHORT if expired else LONG),
        )
        if revoked:
            self._world.add_revocation(job)
        return self._add(repository, image, envelope, common)

    def sign_with_notation(
        self,
        repository: str,
        image: str,
        *,
        signer: str = "release",
        authority: str = "acme",
        form: EnvelopeForm = "jws",
        timestamped: bool = False,
        expired: bool = False,
        **common: Unpack[Common],
    ) -> str:
        """Sign by a certificate of an authority, with the subject `C=US, ST=WA, O=Example, CN=signer`."""
        _refuse_others(common, Common.__annotations__)
        authorities, at = self._world.authorities, self._signed_at(common)
        envelope = sign(
            authorities.signer(signer, authority=authority),
            _MEDIA_TYPES[form],
            target=self._target(repository, image, common),
            signing_time=at,
            expiry=at + SHORT if expired else None,
            token=(lambda raw: issue_token(authorities.timestamps, raw, moment=at)) if timestamped else None,
        )
        return self._add(repository, image, envelope, common, media_type=_MEDIA_TYPES[form])

    def sign_with_key(
        self,
        repository: str,
        image: str,
        *,
        key: str = "release",
        logged: bool = False,
        **attested: Unpack[Attested],
    ) -> str:
        """Sign by a bare key of that name, which is made, and log it if told."""
        sigstore, private, at = self._sigstore, self._world.authorities.key(key), self._signed_at(attested)
        tool = _Cosign(
            bundle=partial(sigstore.sign_statement_keyed, key=private, at=at, logged=logged),
            sign=partial(sigstore.sign_layer_keyed, key=private, at=at, logged=logged),
            attest=partial(sigstore.attest_layer, signer=private, at=at, logged=logged),
        )
        return self._cosign(repository, image, tool, attested)

    def sign_keyless(
        self,
        repository: str,
        image: str,
        *,
        subject: str = SUBJECT,
        issuer: str = ISSUER,
        **attested: Unpack[Attested],
    ) -> str:
        """Sign by an identity that an issuer vouches for, and log it."""
        sigstore, at = self._sigstore, self._signed_at(attested)
        signer = sigstore.signer(subject=subject, issuer=issuer, at=at)
        tool = _Cosign(
            bundle=partial(sigstore.sign_statement, signer=signer, at=at),
            sign=partial(sigstore.sign_layer, signer=signer, at=at),
            attest=partial(sigstore.attest_layer, signer=signer, at=at),
        )
        return self._cosign(repository, image, tool, attested)

    # Parts

    @property
    def _sigstore(self) -> LocalSigstore:
        return self._world.authorities.sigstore

    def _cosign(self, repository: str, image: str, tool: _Cosign, attested: Attested) -> str:
        _refuse_others(attested, Attested.__annotations__)
        predicate_type, form = attested.get("predicate_type"), attested.get("form", "bundle")
        if form not in get_args(CosignForm):
            raise ValueError(f"got form {form!r}, expected one of {', '.join(get_args(CosignForm))}")
        digest = self._target(repository, image, attested)["digest"]
        claim = statement(digest, predicate_type=predicate_type or COSIGN_SIGN, predicate=attested.get("predicate"))
        notes: Mapping[str, str] = {}
        if form == "bundle":
            kind, content = artifacts.BUNDLE, json.dumps(tool.bundle(claim)).encode()
        elif predicate_type:
            kind, (content, notes) = artifacts.COSIGN_ATTESTATION, tool.attest(claim)
        else:
            named = attested.get("signed_as") or self._world.repository(repository, **_where(attested)).uri
            kind, content = artifacts.COSIGN_SIGNATURE, simple_signing(digest, reference=named)
            notes = tool.sign(content)
        return self._add(repository, image, content, attested, kind=kind, layer_annotations=notes)

    def _job(self, profile_arn: str) -> str:
        """Give the ARN of the next signing job, the same in every run."""
        part = profile_arn.partition(":/")[0]
        return f"{part}:/signing-jobs/{uuid5(NAMESPACE_URL, f'{profile_arn} {next(self._jobs)}')}"

    def _signed_at(self, common: Common) -> datetime:
        return self._world.authorities.moment(common.get("signed_at", AN_HOUR_AGO))

    def _target(self, repository: str, image: str, common: Common) -> dict[str, Any]:
        """Give the descriptor of what is signed."""
        return artifacts.descriptor(self._world.image(repository, common.get("of") or image, **_where(common)).manifest)

    def _add(self, repository: str, image: str, envelope: bytes, common: Common, **more: Any) -> str:
        return self._world.add_signature(repository, image, envelope, **more, **_where(common))


def _refuse_others(told: Common, known: Collection[str]) -> None:
    """Raise TypeError for an argument that is not known, since Python does not check these."""
    if others := told.keys() - set(known):
        raise TypeError(f"unexpected arguments: {', '.join(sorted(others))}")


def _where(common: Common) -> dict[str, Any]:
    return {"account": common.get("account"), "region": common.get("region")}

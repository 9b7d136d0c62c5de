"""The calls by which tests put signatures beside images, and say what AWS Signer has revoked.

A part of `World`, which holds the images; nothing here answers a request, and nothing here signs.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tests.simulator import artifacts
from tests.simulator.clock import Moment
from tests.simulator.contents import Contents
from tests.simulator.manifests import Manifest
from tests.simulator.registry import SigningStatus

REFERRER, FALLBACK, TAG = "referrer", "fallback", "tag"
PROFILE = "arn:aws:signer:eu-west-1:111122223333:/signing-profiles/tidegate"


class SignatureChanges(Contents):
    """Change signatures; images are named by tag or digest."""

    revocations: dict[str, float | None]

    def add_signature(
        self,
        repository: str,
        name: str,
        envelope: bytes,
        *,
        kind: str = artifacts.NOTATION,
        layout: str | None = None,
        media_type: str | None = None,
        annotations: Mapping[str, str] | None = None,
        layer_annotations: Mapping[str, str] | None = None,
        old_notation: bool = False,
        change: Mapping[str, Any] | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> str:
        """Put a signature beside an image, and give the digest of the manifest that holds it.

        `kind` is notation, sigstore-bundle, cosign-legacy-signature or cosign-legacy-attestation. `layout` is
        "referrer" (listed by the referrers API; notation's and bundles' own), "fallback" (in the index under the tag
        sha256-HEX, and not listed) or "tag" (cosign's sha256-HEX.sig and .att, a layer for each; cosign's own).
        `change` replaces members of the manifest.
        """
        where = {"account": account, "region": region}
        layout = layout or (TAG if kind in artifacts.TAG_SUFFIXES else REFERRER)
        with self.lock:
            subject = self.image(repository, name, **where).manifest
            if layout == TAG:
                part = artifacts.LayerPart(
                    data=envelope,
                    media_type=media_type or artifacts.LAYER_TYPES[kind],
                    annotations=dict(layer_annotations or {}),
                )
                return self._add_layer(repository, subject, kind, part, where)
            body = artifacts.signature(
                kind,
                envelope,
                subject=subject,
                media_type=media_type,
                annotations=annotations,
                layer_annotations=layer_annotations,
                old_notation=old_notation,
                change=change,
            )
            return self.add_artifact(repository, subject.digest, body, layout=layout, **where)

    def add_artifact(
        self,
        repository: str,
        subject: str,
        body: Manifest,
        *,
        layout: str = REFERRER,
        listed_as: str | None = artifacts.EMPTY_CONFIG,
        account: str | None = None,
        region: str | None = None,
    ) -> str:
        """Push any manifest as a referrer; in the fallback index its entry has the artifact type `listed_as`."""
        where: dict[str, Any] = {"account": account, "region": region}
        with self.lock:
            digest = self.push(repository, body, **where)
            if layout == FALLBACK:
                image = self.image(repository, digest, **where)
                image.listed = False
                self._add_entry(repository, subject, body, listed_as, where)
            return digest

    def set_cached(
        self, repository: str, name: str, *, cached: bool, account: str | None = None, region: str | None = None
    ) -> None:
        """Say whether an artifact that is listed can be pulled, or is upstream of a pull-through cache only."""
        with self.lock:
            self.image(repository, name, account=account, region=region).cached = cached

    def set_signing_status(
        self,
        repository: str,
        name: str,
        status: str,
        *,
        profile_arn: str = PROFILE,
        failure_code: str | None = None,
        failure_reason: str | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Set what ECR says of signing an image by itself: IN_PROGRESS, COMPLETE or FAILED."""
        told = SigningStatus(
            profile_arn=profile_arn, status=status, failure_code=failure_code, failure_reason=failure_reason
        )
        with self.lock:
            image = self.image(repository, name, account=account, region=region)
            image.signing = [*(each for each in image.signing if each.profile_arn != profile_arn), told]

    def add_revocation(self, entity: str, *, since: Moment | None = None) -> None:
        """Revoke a signing profile (by ARN, with or without its version), a job or a certificate hash at AWS Signer.

        With `since` only signatures made from then on are revoked.
        """
        with self.lock:
            self.revocations[entity] = None if since is None else self.clock.moment(since)

    def remove_revocation(self, entity: str) -> None:
        """Withdraw a revocation."""
        with self.lock:
            del self.revocations[entity]

    def _add_layer(
        self, repository: str, subject: Manifest, kind: str, part: artifacts.LayerPart, where: Mapping[str, Any]
    ) -> str:
        tag = artifacts.fallback_tag(subject.digest, artifacts.TAG_SUFFIXES[kind])
        layers = [*self._layers(repository, tag, where), part]
        return self.push(repository, artifacts.cosign_manifest(layers), tag, **where)

    def _layers(self, repository: str, tag: str, where: Mapping[str, Any]) -> list[artifacts.LayerPart]:
        holder = self.repository(repository, **where)
        if tag not in holder.tags:
            return []
        body = msgspec.json.decode(self.image(repository, tag, **where).manifest.data)
        return [
            artifacts.LayerPart(
                data=holder.blobs[each["digest"]],
                media_type=each["mediaType"],
                annotations=each.get("annotations", {}),
            )
            for each in body["layers"]
        ]

    def _add_entry(
        self, repository: str, subject: str, body: Manifest, listed_as: str | None, where: Mapping[str, Any]
    ) -> None:
        tag = artifacts.fallback_tag(subject)
        holder = self.repository(repository, **where)
        entries: list[tuple[Manifest, str | None]] = []
        if tag in holder.tags:
            index = msgspec.json.decode(self.image(repository, tag, **where).manifest.data)
            entries = [
                (
                    replace(holder.images[each["digest"]].manifest, annotations=each.get("annotations", {})),
                    each.get("artifactType"),
                )
                for each in index["manifests"]
            ]
        self.push(repository, artifacts.referrers_index([*entries, (body, listed_as)]), tag, **where)

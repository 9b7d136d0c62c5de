"""How ECR words the configuration of registries and repositories: policies, scanning, rules, signing.

What only the registry's own account may ask is refused to others, whatever their repository policies say.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.simulator.registry import Registry
from tests.simulator.service import Request
from tests.simulator.services.ecr_places import INVALID, names_of, own_registry, repository_of
from tests.simulator.wire import AwsError, page, without_nones

MOST_SCANNED_NAMES = 25
_SETTINGS: dict[str, Callable[[Registry], str]] = {
    "BASIC_SCAN_TYPE_VERSION": lambda _: "AWS_NATIVE",
    "REGISTRY_POLICY_SCOPE": lambda registry: registry.policy_scope,
    "BLOB_MOUNTING": lambda _: "DISABLED",
}


def _get_repository_policy(request: Request) -> dict[str, Any]:
    repository = repository_of(request)
    if repository.policy is None:
        raise AwsError("RepositoryPolicyNotFoundException", f"Repository policy does not exist for '{repository.name}'")
    return names_of(repository) | {"policyText": repository.policy}


def _get_lifecycle_policy(request: Request) -> dict[str, Any]:
    repository = repository_of(request)
    if repository.lifecycle is None:
        raise AwsError("LifecyclePolicyNotFoundException", f"Lifecycle policy does not exist for '{repository.name}'")
    return names_of(repository) | {"lifecyclePolicyText": repository.lifecycle}


def _get_registry_policy(request: Request) -> dict[str, Any]:
    registry = own_registry(request)
    if registry.policy is None:
        raise AwsError("RegistryPolicyNotFoundException", f"Registry policy does not exist in '{registry.account}'")
    return {"registryId": registry.account, "policyText": registry.policy}


def _get_account_setting(request: Request) -> dict[str, Any]:
    registry, name = own_registry(request), request.payload.get("name", "")
    if name not in _SETTINGS:
        raise AwsError(INVALID, f"Invalid parameter at 'name': {name!r} is no account setting")
    return {"name": name, "value": _SETTINGS[name](registry)}


def _describe_registry(request: Request) -> dict[str, Any]:
    registry = own_registry(request)
    rules = [
        without_nones(
            destinations=[{"region": region, "registryId": account} for account, region in rule.destinations],
            repositoryFilters=[{"filter": each, "filterType": "PREFIX_MATCH"} for each in rule.prefixes] or None,
        )
        for rule in registry.replication
    ]
    return {"registryId": registry.account, "replicationConfiguration": {"rules": rules}}


def _get_signing_configuration(request: Request) -> dict[str, Any]:
    registry = own_registry(request)
    if not registry.signing_rules:
        raise AwsError("SigningConfigurationNotFoundException", "There is no signing configuration")
    rules = [
        without_nones(
            signingProfileArn=rule.profile_arn,
            repositoryFilters=[{"filter": each, "filterType": "WILDCARD_MATCH"} for each in rule.filters] or None,
        )
        for rule in registry.signing_rules
    ]
    return {"registryId": registry.account, "signingConfiguration": {"rules": rules}}


def _describe_pull_through_cache_rules(request: Request) -> dict[str, Any]:
    registry, prefixes = own_registry(request), request.payload.get("ecrRepositoryPrefixes")
    rules = [rule for rule in registry.pull_through if prefixes is None or rule.prefix in prefixes]
    if prefixes and len(rules) < len(set(prefixes)):
        raise AwsError("PullThroughCacheRuleNotFoundException", f"No pull through cache rule for one of {prefixes}")
    described = [
        without_nones(
            ecrRepositoryPrefix=rule.prefix,
            upstreamRegistryUrl=rule.upstream_url,
            upstreamRegistry=rule.upstream,
            upstreamRepositoryPrefix=rule.upstream_prefix or None,
            registryId=registry.account,
        )
        for rule in rules
    ]
    shown, token = page(described, request.payload, default=100, most=1000, invalid=partial(AwsError, INVALID))
    return without_nones(pullThroughCacheRules=shown, nextToken=token)


def _get_registry_scanning_configuration(request: Request) -> dict[str, Any]:
    registry = own_registry(request)
    rules = [
        {
            "scanFrequency": rule.frequency,
            "repositoryFilters": [{"filter": each, "filterType": "WILDCARD"} for each in rule.filters],
        }
        for rule in registry.rules
    ]
    return {
        "registryId": registry.account,
        "scanningConfiguration": {"scanType": registry.scan_type, "rules": rules},
    }


def _batch_get_repository_scanning_configuration(request: Request) -> dict[str, Any]:
    registry, names = own_registry(request), request.payload.get("repositoryNames", [])
    if not 1 <= len(names) <= MOST_SCANNED_NAMES:
        raise AwsError(
            "ValidationException", f"repositoryNames: {len(names)} members, 1 to {MOST_SCANNED_NAMES} allowed"
        )
    missing = [name for name in names if name not in registry.repositories]
    return {
        "scanningConfigurations": [_scanning(registry, name) for name in names if name in registry.repositories],
        "failures": [
            {"repositoryName": name, "failureCode": "REPOSITORY_NOT_FOUND", "failureReason": "no such repository"}
            for name in missing
        ],
    }


def _scanning(registry: Registry, name: str) -> dict[str, Any]:
    frequency, filters = registry.frequency(name)
    return {
        "repositoryArn": registry.repositories[name].arn,
        "repositoryName": name,
        "scanOnPush": frequency != "MANUAL",
        "scanFrequency": frequency,
        "appliedScanFilters": [{"filter": each, "filterType": "WILDCARD"} for each in filters],
    }


OPERATIONS: dict[str, Callable[[Request], dict[str, Any]]] = {
    "BatchGetRepositoryScanningConfiguration": _batch_get_repository_scanning_configuration,
    "DescribePullThroughCacheRules": _describe_pull_through_cache_rules,
    "DescribeRegistry": _describe_registry,
    "GetAccountSetting": _get_account_setting,
    "GetLifecyclePolicy": _get_lifecycle_policy,
    "GetRegistryPolicy": _get_registry_policy,
    "GetRegistryScanningConfiguration": _get_registry_scanning_configuration,
    "GetRepositoryPolicy": _get_repository_policy,
    "GetSigningConfiguration": _get_signing_configuration,
}
"""The operations that read configuration."""

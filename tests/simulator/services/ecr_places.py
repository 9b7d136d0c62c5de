"""Which registry and repository a call to ECR is about, and who may read them."""

from typing import Any

from tests.simulator.registry import Registry, Repository
from tests.simulator.service import Request
from tests.simulator.wire import AwsError

INVALID = "InvalidParameterException"


def registry_of(request: Request) -> Registry:
    """Give the registry asked about: the caller's own where registryId is left out."""
    account = request.payload.get("registryId", request.caller.account)
    if account not in request.world.accounts:
        raise denied(request, f"arn:aws:ecr:{request.region}:{account}:repository/*")
    return request.world.registry(account=account, region=request.region)


def repository_of(request: Request) -> Repository:
    name, registry = request.payload.get("repositoryName", ""), registry_of(request)
    return named(request, registry, name)


def named(request: Request, registry: Registry, name: str) -> Repository:
    found = registry.repositories.get(name)
    if registry.account != request.caller.account and (found is None or request.caller.account not in found.readers):
        raise denied(request, f"arn:aws:ecr:{registry.region}:{registry.account}:repository/{name}")
    if found is None:
        where = f"in the registry with id '{registry.account}'"
        raise AwsError("RepositoryNotFoundException", f"The repository with name '{name}' does not exist {where}")
    return found


def own_registry(request: Request) -> Registry:
    registry = registry_of(request)
    if registry.account != request.caller.account:
        raise denied(request, f"arn:aws:ecr:{registry.region}:{registry.account}:repository/*")
    return registry


def denied(request: Request, resource: str) -> AwsError:
    action = f"ecr:{request.operation}"
    return AwsError(
        "AccessDeniedException",
        f"User: {request.caller.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no resource-based policy allows the {action} action",
    )


def names_of(repository: Repository) -> dict[str, Any]:
    return {"registryId": repository.account, "repositoryName": repository.name}

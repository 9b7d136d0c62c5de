"""The images of a Compose file (Compose Specification): ``services.*.image``, and those that a service mounts.

It replaces no variables and reads no other files: ``docker compose config`` does both, and prints the result.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from tidegate.admission.workload import MAX_LISTED
from tidegate.cli.argument_files import ArgumentError
from tidegate.cli.manifests import FoundImage
from tidegate.cli.yaml_files import YamlValue

_VARIABLE: Final = re.compile(r"(?<!\$)(?:\$\$)*\$[A-Za-z_{]")
_NO_SOURCE: Final = "the volume has no image. To fix: write its reference in source"
_RENDER: Final = "To fix: run docker compose config | tidegate check -f -"


def is_compose(document: YamlValue) -> bool:
    """Tell whether a document is a Compose file: it has services by name, and is no Kubernetes object."""
    value = document.value
    return (
        isinstance(value, dict) and isinstance(value.get("services"), dict) and not {"kind", "apiVersion"} & set(value)
    )


def images_of_compose(document: YamlValue, *, file: str, namespace: str) -> list[FoundImage]:
    """Return the image of each service; raise ArgumentError for an invalid file."""
    services = document.value.get("services") if isinstance(document.value, dict) else None
    if not isinstance(services, dict):
        raise ArgumentError(f"{file}:{document.line}: expected a Compose file with services by name")
    if len(services) > MAX_LISTED:
        raise ArgumentError(f"{file}: more than {MAX_LISTED:,} services")
    uses = list(islice(_uses(document, services, file), MAX_LISTED + 1))
    if len(uses) > MAX_LISTED:
        raise ArgumentError(f"{file}: more than {MAX_LISTED:,} images")
    return [
        FoundImage(
            place=f"Compose {path}",
            namespace=namespace,
            text=text,
            not_judged=why,
            file=file,
            line=document.line_of(path),
        )
        for path, text, why in uses
    ]


def _uses(document: YamlValue, services: dict[object, object], file: str) -> Iterator[tuple[str, str | None, str]]:
    if "include" in document.value:
        yield "include", None, f"tidegate does not read the services of included files. {_RENDER}"
    for name, service in services.items():
        path = f"services.{name}"
        if not isinstance(service, dict):
            line = document.line_of(path)
            raise ArgumentError(f"{file}:{line}: {path}: expected a service, got {type(service).__name__}")
        image = service.get("image")
        if image is None and "extends" in service:
            yield f"{path}.extends", None, f"the service extends another one. {_RENDER}"
        elif image is None and "build" in service:
            fix = "To fix: push the built image, and write its reference in image"
            yield f"{path}.build", None, f"the service has no image, because it is built from a Dockerfile. {fix}"
        else:
            yield _use(f"{path}.image", image, "the service has no image. To fix: write its reference in image")
        volumes = service.get("volumes")
        for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
            if isinstance(volume, dict) and volume.get("type") == "image":
                yield _use(f"{path}.volumes[{index}].source", volume.get("source"), _NO_SOURCE)


def _use(path: str, image: object, none: str) -> tuple[str, str | None, str]:
    if not isinstance(image, str) or not image:
        return path, None, none
    if _VARIABLE.search(image):
        return path, image, f"the reference has a variable. {_RENDER}"
    return path, image.replace("$$", "$"), ""

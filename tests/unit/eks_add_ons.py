"""Keeps docs/reference/eks-add-ons.md: its table and its example are what eks-add-ons.yaml says.

``python -m tests.unit.eks_add_ons`` writes both anew; a test compares them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGE = FOLDER / "eks-add-ons.md"
DATA: dict[str, Any] = yaml.safe_load((FOLDER / "eks-add-ons.yaml").read_text())
NAMESPACES = "[kube-system, amazon-cloudwatch, amazon-guardduty, aws-observability]"
EXAMPLE = f"""```yaml
apiVersion: tidegate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: our-registries
spec:
  validationActions: [Warn, Audit]
  match:
    excludedNamespaces: {NAMESPACES}
  registries:
    - {{account: "111122223333"}}
---
apiVersion: tidegate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: eks-add-ons
spec:
  validationActions: [Warn, Audit]
  match:
    namespaces: {NAMESPACES}
  registries:
    - {{account: "111122223333"}}
"""


def accounts() -> Iterator[tuple[str, str, str]]:
    """Yield the partition, region and account of each region."""
    for partition, regions in DATA["partitions"].items():
        for region, account in regions.items():
            yield partition, region, account


def example() -> str:
    """Return the block of the two policies."""
    scopes = (f'    - {{account: "{account}", region: {region}}}\n' for _, region, account in accounts())
    return f"{EXAMPLE}{''.join(scopes)}```\n"


def table() -> str:
    """Return the table of accounts with its source."""
    rows = "".join(f"| `{partition}` | `{region}` | `{account}` |\n" for partition, region, account in accounts())
    source = f"Source: [Amazon EKS User Guide]({DATA['source']}), read on {DATA['read']}."
    data = "The same list as a file: [eks-add-ons.yaml](eks-add-ons.yaml)."
    return f"{source} {data}\n\n| partition | region | account |\n|---|---|---|\n{rows}"


def renewed(page: str) -> str:
    """Return the page with the table and the example as they should be."""
    for name, text in (("example", example()), ("accounts", table())):
        before, start, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->\n")
        page = f"{before}{start}\n{text}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))

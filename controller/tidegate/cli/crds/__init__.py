"""``tidegate apply-crds``: the chart's CRDs, brought up to date before an upgrade."""

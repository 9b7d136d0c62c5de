"""``tidegate check``: whether the cluster would admit images."""

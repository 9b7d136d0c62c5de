"""``tidegate man``."""

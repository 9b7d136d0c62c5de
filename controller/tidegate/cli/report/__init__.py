"""``tidegate report``."""

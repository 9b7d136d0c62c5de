"""``tidegate completion``."""

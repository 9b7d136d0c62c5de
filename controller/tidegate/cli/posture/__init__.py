"""``tidegate posture``."""

"""The command ``tidegate background``."""

"""One module for each part that is attacked; each has ``SCENARIOS``."""

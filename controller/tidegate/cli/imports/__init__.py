"""``tidegate import``: trust policies of other tools as tidegate's objects."""

"""``tidegate explain``: the evidence for one image."""

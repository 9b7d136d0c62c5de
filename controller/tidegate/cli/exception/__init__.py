"""``tidegate exception``: exceptions from policies, written and listed."""

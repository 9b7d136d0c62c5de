"""``tidegate test``: whether policies decide as their test cases say."""

"""``tidegate record``: the evidence of real images as test cases."""

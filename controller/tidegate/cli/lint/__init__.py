"""``tidegate lint``: mistakes in policies that the API server does not see."""

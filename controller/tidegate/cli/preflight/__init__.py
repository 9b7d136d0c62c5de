"""``tidegate preflight``: whether AWS, the network, the policies and the webhook are as tidegate needs them."""

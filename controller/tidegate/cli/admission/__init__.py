"""``tidegate admission``: the webhook, run by the chart."""

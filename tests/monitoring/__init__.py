"""The dashboard's queries and the alerts' rules, evaluated by a real Prometheus on the metrics of a running tidegate."""

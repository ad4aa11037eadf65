"""The machine that watches a stack: a Droplet with Prometheus and Alertmanager."""

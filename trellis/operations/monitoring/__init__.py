"""Files for Prometheus, Alertmanager and Grafana, of one stack."""

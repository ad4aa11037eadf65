"""What monitoring alerts can be about."""

DATABASE_ALERTS = tuple(
    f"v1/dbaas/alerts/{name}"
    for name in ("load_15_alerts", "memory_utilization_alerts", "disk_utilization_alerts", "cpu_alerts")
)
ALERT_TYPES = (
    *(
        f"v1/insights/droplet/{name}"
        for name in (
            "cpu",
            "memory_utilization_percent",
            "disk_utilization_percent",
            "public_outbound_bandwidth",
            "public_inbound_bandwidth",
            "private_outbound_bandwidth",
            "private_inbound_bandwidth",
            "disk_read",
            "disk_write",
            "load_1",
            "load_5",
            "load_15",
        )
    ),
    *(
        f"v1/insights/lbaas/{name}"
        for name in (
            "avg_cpu_utilization_percent",
            "connection_utilization_percent",
            "droplet_health",
            "tls_connections_per_second_utilization_percent",
            "increase_in_http_error_rate_percentage_4xx",
            "increase_in_http_error_rate_percentage_5xx",
            "increase_in_http_error_rate_count_4xx",
            "increase_in_http_error_rate_count_5xx",
            "high_http_request_response_time",
            "high_http_request_response_time_50p",
            "high_http_request_response_time_95p",
            "high_http_request_response_time_99p",
        )
    ),
    *DATABASE_ALERTS,
)

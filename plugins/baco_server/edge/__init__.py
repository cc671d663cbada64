"""What stands around the API: connections, keys, limits, request ids, logs, metrics."""

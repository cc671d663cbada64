"""Measures the trade-off between diversity and quality: tasks, methods, metrics, sweeps, reports."""

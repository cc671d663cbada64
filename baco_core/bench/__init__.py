"""Measuring: how fast a pair writes under each schedule, and what it holds in memory."""

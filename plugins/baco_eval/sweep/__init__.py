"""Sweeps: every text of a grid of settings over a task, written once, kept as it comes."""

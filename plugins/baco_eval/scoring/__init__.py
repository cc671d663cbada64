"""Measuring the texts of a sweep, apart from writing them: metrics can be added at any time."""

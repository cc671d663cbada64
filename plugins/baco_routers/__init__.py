"""Routers: the paper's, combinations of them, and baselines that are routers.

Each is a frozen recipe (see `baco_core.router`) in a module of its kind: `constant`, `rand`, `logit`,
`content`, `chain`, `judge`. `plugin` registers them.
"""

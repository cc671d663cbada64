"""Samplers: `filters` and `penalties` are pure array functions, `maker` puts filters together,
`samplers` holds the recipes that YAML names, and `plugin` registers them.
"""

"""Metrics: what a number says of the texts that one setting gave for one prompt.

`metric` is the contract; `lexical`, `classes` and `behaviour` hold the recipes that YAML names; `words`,
`rouge`, `partition`, `utility`, `vendi` and `faults` are pure functions.
"""

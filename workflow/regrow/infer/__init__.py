"""How an attacker tells which published weights were pruned; one file per method.

A method is a function ``NAME(weights, options) -> dict[str, Tensor]``: it gets the published FFN2 weights by name and
returns a bool mask for each, True where the entry is taken for pruned. It knows nothing else.
"""

"""Oracles: what an attack would reach if it were told the truth; one file per method."""

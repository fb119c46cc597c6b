"""Analyses that read both sides of the wall: the base model's weights and what the attacker recovered."""

"""Attacks: try to bring an erased concept back; one file per method."""

"""Measures that compare what an attacker recovered with the pretrained weights."""

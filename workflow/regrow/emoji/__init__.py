"""How the emoji world was made: sprites, scenes, training, measurement."""

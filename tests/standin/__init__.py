"""A model of a few megabytes in exactly the layout in which Stable Diffusion 1.5 is published."""

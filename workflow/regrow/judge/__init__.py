"""Types of judges: each file turns images into one row per image, or a set of images into one row."""

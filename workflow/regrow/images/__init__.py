"""Prompt sets, drawing, and the store of images and scores."""

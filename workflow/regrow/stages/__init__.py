"""One file per stage: read files, call the science, write files."""

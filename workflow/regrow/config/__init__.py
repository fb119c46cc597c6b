"""Parameters, worlds and audits: their files, their schema and what is checked before the first job."""

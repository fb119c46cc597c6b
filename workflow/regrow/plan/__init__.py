"""What an audit needs, as plain Python: models, cells, jobs, inputs of tables, cost."""

"""The paper room: from scores per image to tables, figures and the report."""

"""Commands of the workflow in processes that have the libraries already: a tiny run would spend its time on imports."""

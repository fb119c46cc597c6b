# `make demo` and `make test` set everything up on a machine with Python >= 3.11, make and git. Nothing else hides here.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: demo test clean

demo: $(READY)
	snakemake --cores all --configfile demo.yaml
	@echo 'Open results/report.html'

test: $(READY)
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow/rules
	snakemake --lint
	mypy
	OMP_NUM_THREADS=1 pytest -n 2 # two workers of one thread: more threads than cores wait for one another

# Installed again only when the pins change.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "regrow needs Python 3.11 or newer: make PYTHON=python3.11"'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .snakemake .mypy_cache .ruff_cache .pytest_cache

# `make demo` and `make test` set everything up on a machine with Python >= 3.11, make and git.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.installed

# The caller's shell decides nothing here: its Python packages, its pip, a notebook's plot window, and the repository that
# git tells a hook about (a test that runs git would commit into it).
unexport PYTHONPATH PYTHONHOME $(filter GIT_%,$(.VARIABLES))
export PIP_USER := 0
export MPLBACKEND := agg
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test lint fmt clean

help: ## print this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 8

demo: $(READY) ## audit four concepts of the emoji world and write a report
	snakemake --cores all --config audit=demo
	@echo 'Open results/audits/demo/report.html'

test: lint ## run the linters, the type checker and the tests
	OMP_NUM_THREADS=1 pytest -n 2 # two workers of one thread: more threads than cores wait for one another

lint: $(READY) ## check style, workflow, types and the import contracts
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow/Snakefile workflow/rules
	snakemake --lint
	mypy
	lint-imports

fmt: $(READY) ## format Python and Snakemake files
	ruff check --fix
	ruff format
	snakefmt Snakefile workflow/Snakefile workflow/rules

clean: ## remove the environment and all caches; results stay
	rm -rf $(VENV) .snakemake .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Installed again only when the pins change.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "regrow needs Python 3.11 or newer: make PYTHON=python3.11"'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# `make demo` and `make test` set everything up on a machine with Python 3.11 to 3.14, make and git.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.installed
NUDITY := $(VENV)/.nudity
CONDA := .conda

# The caller's shell decides nothing here: its Python packages, its pip, a notebook's plot window, and the repository that
# git tells a hook about (a test that runs git would commit into it).
unexport PYTHONPATH PYTHONHOME $(filter GIT_%,$(.VARIABLES))
export PIP_USER := 0
export MPLBACKEND := agg
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slurm test-conda gpu-check rehearse-sd15 lint fmt lock clean

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) ## audit four concepts of the emoji world and write a report
	snakemake --cores all --config audit=demo
	@echo 'Open results/audits/demo/report.html'

test: lint $(NUDITY) ## run the linters, the type checker and the tests
	OMP_NUM_THREADS=1 pytest -n 2 # two workers of one thread: more threads than cores wait for one another

test-slurm: $(READY) ## run the tiny workflow on a Slurm cluster of one node, started for it (root, Debian)
	bash tests/slurm/run.sh

test-conda: $(READY) $(CONDA)/.installed ## run the tiny workflow in a conda environment, also on Slurm where that can start
	REGROW_TEST_CONDA=1 OMP_NUM_THREADS=1 pytest tests/conda

DEVICE ?= cuda
gpu-check: $(READY) ## check in minutes that the GPU computes what the CPU does (DEVICE=cpu checks the check)
	regrow gpu-check --device $(DEVICE)

rehearse-sd15: $(NUDITY) ## rehearse Stable Diffusion 1.5 with every prompt set on stand-ins of a few MB, from download to report
	rm -rf results/rehearse-sd15
	OMP_NUM_THREADS=1 python -m tests.standin.rehearsal results/rehearse-sd15 --every-set

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

FLAGS ?=
lock: $(READY) ## resolve pyproject.toml to envs/lock.txt and the conda environment (FLAGS=--upgrade takes newer versions)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --quiet $(FLAGS) -o envs/lock.txt
	python envs/write_env.py

clean: ## remove the environment and all caches; results stay
	rm -rf $(VENV) $(CONDA) .snakemake .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Installed again only when the pins change.
$(READY): pyproject.toml envs/lock.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 15), "regrow needs Python 3.11 to 3.14: make PYTHON=python3.11"'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint envs/lock.txt --editable '.[dev,emoji,fid]'
	touch $@

# NudeNet, for tests: nothing of `make demo` needs it.
$(NUDITY): $(READY)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint envs/lock.txt --editable '.[nudity]'
	touch $@

$(CONDA)/.installed: tests/conda/requirements.txt
	test -x $(CONDA)/bin/python || $(VENV)/bin/python -m venv $(CONDA)
	$(CONDA)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

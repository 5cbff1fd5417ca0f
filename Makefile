# Two commands do everything on a fresh clone: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
UV := uv==0.13.9
# What a shell starts is looked for here; make of macOS (3.81) starts plain commands itself, and looks for them
# elsewhere, unless the shell is another than /bin/sh.
export PATH := $(abspath $(BIN)):$(PATH)
SHELL := bash

.PHONY: run test quick check ui install lock clean

run: $(INSTALLED)  ## prepare, train, evaluate; then print what came out
	dvc repro
	@python -m pipeline summary

test: $(INSTALLED)  ## every test, in two processes
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

quick: $(INSTALLED)  ## the tests that take no server, no browser, no whole pipeline and no seconds
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not slow"

check: $(INSTALLED)  ## style, types, and who may import whom
	ruff check .
	ruff format --check .
	mypy
	mypy --platform darwin --cache-dir .mypy_cache/darwin
	mypy --platform win32 --cache-dir .mypy_cache/win32
	lint-imports

ui: $(INSTALLED)  ## the MLflow UI on 127.0.0.1
	@python -m pipeline ui

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml setup.py $(wildcard pipeline/arithmetic/kernels/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .  # softmax
	@touch $@

lock: $(INSTALLED)  ## write requirements.lock for every system; pins stay as they are unless UPGRADE=--upgrade
	python -m pip install --quiet $(UV)
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-header --no-annotate $(UPGRADE) \
		--output-file requirements.lock pyproject.toml
	grep -vE '^(cuda|nvidia|triton=)' requirements.lock > requirements.lock.part  # torch's build for CUDA pins these itself
	mv requirements.lock.part requirements.lock

clean:  ## remove what a run made, not what it was made from
	rm -rf data/prepared models reports mlflow.db mlartifacts dvc_plots

# Each target sets itself up on a fresh machine: it makes .venv and installs what it needs.
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= configs/demo.py
ARGS ?=
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-all guard lint format docs clean

demo: $(VENV)/.core
	$(VENV)/bin/python -m zsar_jax.main --config $(CONFIG) $(ARGS)

test: lint
	$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

test-all: lint
	$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

guard: $(VENV)/.test
	$(VENV)/bin/python benchmarks/guard.py --quick $(ARGS)

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy zsar_jax data_prep

format: $(VENV)/.test
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: setup.cfg constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV), a few minutes"
	$(PIP) -e .
	touch $@

$(VENV)/.test: setup.cfg constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV), a few minutes"
	$(PIP) -e ".[test]"
	touch $@ $(VENV)/.core

docs: $(VENV)/.test
	$(VENV)/bin/python docs/reference.py

clean:
	rm -rf $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache

# hindi-bn: `make reproduce` runs the whole study, `make test` the tests. `make help` lists the rest.

PYTHON ?= python3
VENV   ?= .venv
DATA   ?= data
OUT    ?= results
SCALE  ?= quick
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt | cksum | tr -d ' ')

.DEFAULT_GOAL := help
.PHONY: help install reproduce quick test proofs fidelity claims bench gpu check format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## make .venv and install hindi-bn into it (again when pyproject.toml changed)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hindi-bn needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $@

reproduce: install ## the whole study: data, both runs, tables and figures in results/article
	$(BIN)/hindi-bn reproduce --data-dir $(DATA) --out $(OUT)

quick: install ## a two-minute taste: both networks for five epochs
	$(BIN)/hindi-bn reproduce --config quick --data-dir $(DATA) --out $(OUT)

test: install ## tests with coverage, offline, under three minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term-missing:skip-covered

proofs: install ## the longer proofs: kills and resumes, the stand-in against the real digits
	$(BIN)/python -m pytest -m slow

fidelity: install ## all 30 epochs of the article's study against its published numbers
	$(BIN)/python -m pytest -m fidelity -s

claims: install ## the sources' claims over seeds; SCALE=smoke, quick, standard or full
	$(BIN)/hindi-bn claims run --scale $(SCALE) --data-dir $(DATA) --out $(OUT)

bench: install ## time training against the notebook's way on this machine (a quiet one, some minutes)
	$(BIN)/hindi-bn bench --data-dir $(DATA)

gpu: install ## what only a CUDA device can show: graphs, ensembles, the article's numbers on it
	$(BIN)/python -m pytest tests/training/gpu/test_device.py -s

check: install ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built or cached; data and results stay
	rm -rf build dist .cache .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

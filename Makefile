# hindi-bn: `make reproduce` runs the whole study, `make test` the tests. `make help` lists the rest.

PYTHON ?= python3
VENV   ?= .venv
DATA   ?= data
OUT    ?= results
STAGE  ?= pilot
SAMPLE ?= 240
SEED   ?= 5842
MINUTES ?= 30
TORCH  ?=
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SUM    := $(shell cat pyproject.toml constraints.txt | cksum | tr -d ' ')
STAMP  := $(VENV)/.installed-$(SUM)
TOOLS  := $(VENV)/.tools-$(SUM)
SOURCE := hindi_bn/engine/build.py $(wildcard hindi_bn/engine/source/*)
ENGINE := $(VENV)/.engine-$(shell cat $(SOURCE) | cksum | tr -d ' ')

# Tests start many processes: with compiled files none of them compiles the package again. Two side by
# side have a core each: threads that wait for the other's core would only spin.
PYTEST := env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(abspath $(VENV))/pycache $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help install dev wheel docs engine reproduce quick page test coverage browser proofs mutants faults fidelity claims bench gpu check audit format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) $(ENGINE) ## make .venv and install hindi-bn into it; TORCH=cpu: without CUDA, 4.5 GB less

dev: install $(TOOLS) ## install what the tests, the linter and the type checker need, too

# Without isolation, so that zig (100 MB) is fetched and unpacked once, for here and for `make engine`.
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hindi-bn needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(PIP) --no-deps --index-url https://download.pytorch.org/whl/$(TORCH) torch torchvision)
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
		$(PIP) editables --requirement /dev/stdin
	HATCH_BUILD_NO_HOOKS=true $(PIP) --no-build-isolation --editable .
	rm -f $(VENV)/.installed-*
	touch $@

$(TOOLS): | $(STAMP)
	HATCH_BUILD_NO_HOOKS=true $(PIP) --no-build-isolation --editable '.[dev]'
	rm -f $(VENV)/.tools-*
	touch $@

# Whoever edits the C file has it compiled, and nothing else installed. Without an engine all else works.
$(ENGINE): | $(STAMP)
	-$(BIN)/python hindi_bn/engine/build.py
	rm -f $(VENV)/.engine-*
	touch $@

wheel: dev ## a wheel for this platform in dist/, for pip, pipx or uv
	$(BIN)/python -m build --wheel --no-isolation

docs: dev ## write what documents quote: the commands' help, the networks, the ledgers of claims
	$(BIN)/typer hindi_bn.cli utils docs --name hindi-bn --output docs/cli.md
	$(BIN)/python -c 'import json, hindi_bn; print(json.dumps({"image_size": 32, "networks": hindi_bn.describe_networks()}, indent=1))' > hindi_bn/cli/networks.json
	$(BIN)/python docs/ledgers.py

engine: $(STAMP) ## compile the engine's libraries again, for this machine and the web (10 seconds)
	$(BIN)/python hindi_bn/engine/build.py

reproduce: install ## the whole study: data, both runs, tables and figures in results/article
	$(BIN)/hindi-bn reproduce --data-dir $(DATA) --out $(OUT)
	$(BIN)/hindi-bn page --data-dir $(DATA) --results $(OUT)

quick: install ## a two-minute taste: both networks for five epochs
	$(BIN)/hindi-bn reproduce --config quick --data-dir $(DATA) --out $(OUT)
	$(BIN)/hindi-bn page --config quick --data-dir $(DATA) --results $(OUT)

page: install ## the page: what `make reproduce` left, in one HTML file to see and touch
	$(BIN)/hindi-bn page --data-dir $(DATA) --results $(OUT)

test: dev ## the tests, offline, under three minutes on two cores
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist worksteal $(COVERAGE)

coverage: COVERAGE = --cov --cov-report=term-missing:skip-covered --render
coverage: test ## the same tests with coverage, at least 90 %, and all figures drawn; two thirds longer

browser: dev ## the page, tried in Chromium and Firefox where they are installed
	OMP_NUM_THREADS=1 $(PYTEST) -m "browser and not slow" -n 2 --dist loadfile --durations=5

proofs: dev ## the longer proofs: kills and resumes, the stand-in against the real digits
	OMP_NUM_THREADS=1 $(PYTEST) -m 'slow and not timed' -n 2 --dist loadgroup --durations=15
	$(PYTEST) -m 'slow and timed' --durations=5

# One process, for hours or minutes as the sample is large or small; not part of CI.
mutants: dev ## slips in the modules that promise something: which do the tests notice? SAMPLE=, SEED=
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants --sample $(SAMPLE) --seed $(SEED)

faults: dev ## kills, flipped bits, full disks, hostile inputs: for MINUTES, drawn by SEED
	cd tests && OMP_NUM_THREADS=1 $(abspath $(BIN))/python -m faults --minutes $(MINUTES) --seed $(SEED) $(FAULTS)

fidelity: dev ## all 30 epochs of the article's study against its published numbers
	$(PYTEST) -m fidelity -s

claims: install ## the sources' claims over seeds; STAGE=smoke, pilot or confirm
	$(BIN)/hindi-bn claims run --stage $(STAGE) --data-dir $(DATA) --out $(OUT)

bench: install ## time training against the notebook's way on this machine (a quiet one, some minutes)
	$(BIN)/hindi-bn bench --data-dir $(DATA)

gpu: dev ## what only a CUDA device can show: graphs, ensembles, the article's numbers on it
	$(PYTEST) tests/training/gpu/test_device.py -s

check: dev ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

audit: dev ## known faults: bandit over the code, pip-audit over the packages (where it can ask)
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml hindi_bn
	$(BIN)/python tests/audit.py

format: dev ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was built or cached; data and results stay
	rm -rf hindi_bn/engine/built $(VENV)/.engine-*
	rm -rf build dist .cache .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

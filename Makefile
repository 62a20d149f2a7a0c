# Lemmata: `make book` builds the website, `make test` verifies every claim; each sets up what it needs by itself.
# Another interpreter: make PYTHON=python3.12 book

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SITE := _build/html

# One thread: sums are then added in the same order on every machine of a kind.
export OMP_NUM_THREADS ?= 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup book test lint notebooks bench mutants lab clean

help:
	@echo "make book        build the website: $(SITE)/index.html"
	@echo "make test        lint, types, tests, doctests, and every cell of every notebook against its stored output"
	@echo "make notebooks   carry text twins into notebooks and execute what changed (ALL=1: everything)"
	@echo "make lint        ruff and mypy only"
	@echo "make lab         JupyterLab, with the text twins paired and the text rendered"
	@echo "make bench       every script in benchmarks/"
	@echo "make mutants     how many small faults in MODULE=classification/multilabel the checks notice"
	@echo "make clean       remove what was built (.venv too)"

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else \
	    "Lemmata needs Python 3.11 or newer; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12 ..." % v[:2])'
	@test -x $(BIN)/python || { echo "Making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the pinned environment into $(VENV) (once; torch is the large part) ..."
	$(BIN)/python -m pip install --progress-bar on --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: $(READY)  # --all: Sphinx says nothing about warnings of pages that it does not read again
	$(BIN)/jupyter-book build book --config _config.yml --toc "$(CURDIR)/_toc.yml" --path-output . --all -W --keep-going
	@$(BIN)/python tools/offline.py $(SITE)
	@echo "The book is in $(SITE)/index.html"

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

notebooks: $(READY)
	$(BIN)/python tools/notebooks.py $(if $(ALL),--all)

bench: $(READY)
	@for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python $$script || exit 1; done

MODULE ?= classification/multilabel
mutants: $(READY)
	$(BIN)/python tools/mutants.py $(MODULE)

lab: $(READY)
	@test $(VENV)/.lab -nt requirements-lab.txt || \
	    { $(BIN)/python -m pip install --requirement requirements-lab.txt && touch $(VENV)/.lab; }
	$(BIN)/jupyter-lab --notebook-dir .

clean:
	rm -rf _build $(VENV) .pytest_cache .mypy_cache .ruff_cache

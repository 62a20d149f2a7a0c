# Lemmata: `make book` builds the website, `make test` verifies every claim; each sets up what it needs by itself.
# Another interpreter: make PYTHON=python3.12 book

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := _build/html
FRESH := _build/fresh
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
WORKERS ?= 2

# One thread: sums are then added in the same order on every machine of a kind.
export OMP_NUM_THREADS ?= 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup book playwright browser seen offline pdf test lint notebooks bench mutants findings lab clean

help:
	@echo "make book        build the website: $(SITE)/index.html"
	@echo "make browser     look at every page of it in Chromium: layout, links, accessibility, search, speed"
	@echo "make offline     the website as a zip that opens from disk, with its checksum: _build/lemmata-*.zip"
	@echo "make pdf         the whole book on paper: _build/lemmata-*.pdf (needs Chromium)"
	@echo "make test        lint, types, tests, doctests, and every cell of every notebook against its stored output"
	@echo "                 (CHAPTER=estimation/hsic: of this chapter only)"
	@echo "make notebooks   carry text twins into notebooks and execute what changed (ALL=1: everything)"
	@echo "make lint        ruff and mypy only"
	@echo "make lab         JupyterLab, with the text twins paired and the text rendered"
	@echo "make bench       time everything in about ten minutes: benchmarks/results/, which the page Performance shows"
	@echo "make mutants     how many small faults in CHAPTER=classification/multilabel the checks notice"
	@echo "                 (CHANGED=1: in the functions that changed since the last merge; CHANGED=v0.1.0: since then)"
	@echo "make findings    every script in findings/: surprises about other software, run again"
	@echo "make clean       remove what was built (.venv too)"

setup:
	@$(PYTHON) tools/environment.py $(VENV) $(if $(filter file,$(origin PYTHON)),,--this-python)

# Built aside: no page outlives its source, and a build that fails leaves the old site.
book: setup
	@$(BIN)/python tools/notebooks.py --check
	@rm -rf $(FRESH)
	$(BIN)/jupyter-book build book --config _config.yml --toc "$(CURDIR)/_toc.yml" --path-output $(FRESH) -W --keep-going
	@$(BIN)/python tools/offline.py $(FRESH)/_build/html
	@rm -rf $(SITE) && mv $(FRESH)/_build/html $(SITE) && rm -rf $(FRESH)
	@echo "The book is in $(SITE)/index.html"

playwright: setup
	@test $(VENV)/.browser -nt requirements-browser.txt || \
	    { $(BIN)/python -m pip install --quiet --requirement requirements-browser.txt && \
	      touch $(VENV)/.browser; } || true

# Skipped, with the reason, where Chromium or Playwright is missing. A site that stands is not built again.
browser: playwright
	@if PYTHONPATH=tools $(BIN)/python -m browser.needs; then \
	    { test -f $(SITE)/index.html || $(MAKE) book; } && \
	    PYTHONPATH=tools $(BIN)/python -m browser $(SITE) $(BROWSER); fi

# All but the times, which need a machine that does nothing else.
seen: book playwright
	@$(MAKE) browser BROWSER=--untimed

# With the library beside the pages, so that a notebook can be run: pip install "lemmata-...whl[book]"
offline: book
	@rm -rf _build/wheel
	@$(BIN)/python -m hatchling build --target wheel --directory _build/wheel
	@$(BIN)/python tools/archive.py $(SITE) _build/lemmata-$(VERSION).zip _build/wheel/*.whl

pdf: book
	@test $(VENV)/.browser -nt requirements-browser.txt || \
	    { $(BIN)/python -m pip install --requirement requirements-browser.txt && touch $(VENV)/.browser; }
	@$(BIN)/python tools/paper.py $(SITE) _build/lemmata-$(VERSION).pdf

lint: setup
	$(BIN)/ruff check
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(if $(CHAPTER),--chapter $(CHAPTER))

notebooks: setup
	$(BIN)/python tools/chapters.py --write
	$(BIN)/python tools/notebooks.py $(if $(ALL),--all)

bench: setup
	@$(BIN)/python benchmarks/everything.py

mutants: CHAPTER ?= classification/multilabel
mutants: setup
	$(BIN)/python tools/mutants.py $(CHAPTER) $(if $(CHANGED),--changed $(filter-out 1,$(CHANGED)))

findings:
	@$(PYTHON) tools/surprises.py findings

lab: setup
	@test $(VENV)/.lab -nt requirements-lab.txt || \
	    { $(BIN)/python -m pip install --requirement requirements-lab.txt && touch $(VENV)/.lab; }
	$(BIN)/jupyter-lab --notebook-dir . --config tools/jupyter_server_config.py

clean:
	rm -rf _build $(VENV) .pytest_cache .mypy_cache .ruff_cache

# On a bare Debian machine with Python and make, each target does its own set-up, once.
#   make demo     the main job on the sample movie, with a table and a picture in demo/
#   make test     the whole test suite          make lint     style, types, import directions
#   make docs     the documentation, in site/   make bench    figures of docs/benchmarks.md
#   make test-cellpose4  what is said to Cellpose 4, in an environment of its own
#   make weights  train every shipped model again (real data: set CELLCYCLE_DATA)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
VENV4  := .venv-cellpose4
# pytest-xvfb gives each process of the tests a virtual screen of its own
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# CELLCYCLE_DATA: folder of the public data sets that `make weights` and `make bench` read
export CELLCYCLE_DATA ?= ../shared/data
# BTRACK: "--btrack PYTHON", the python of an environment with btrack, to compare with it as well
BTRACK ?=

.PHONY: demo test test-cellpose4 lint docs weights bench wheel clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/napari-cellcycle demo --out demo --overwrite

test: $(READY) $(VENV)/.screen
ifeq ($(ARGS),)
	$(PYTEST) tests/core --numprocesses 2 --dist loadfile
	$(PYTEST) tests/widgets --numprocesses 2 --dist loadfile
else
	$(PYTEST) $(ARGS)
endif

test-cellpose4: $(VENV4)/.ready
	OMP_NUM_THREADS=1 $(VENV4)/bin/python -m pytest $(wildcard tests/core/test_cellpose*.py) $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

weights: $(READY)
	$(BIN)/python -m napari_cellcycle.training.weights $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/segmentation.py --data "$(CELLCYCLE_DATA)" --train
	$(BIN)/python benchmarks/tracking.py --data "$(CELLCYCLE_DATA)" --train --volumes $(BTRACK)
	$(BIN)/python benchmarks/scaling.py --laptrack
	$(BIN)/python benchmarks/stage_crops.py --data "$(CELLCYCLE_DATA)"

wheel: $(READY)
	$(BIN)/pip install --quiet build
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) $(VENV4) dist site demo .pytest_cache .mypy_cache .ruff_cache

# --- set-up -------------------------------------------------------------------------------

# The CPU build of torch first: it satisfies every later requirement, so that no CUDA build of
# several gigabytes is pulled in. numpy < 2.1 and cellpose 3 belong together.
$(READY): pyproject.toml tools/setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup.sh
	@touch $@

$(VENV4)/.ready: pyproject.toml tools/setup_cellpose4.sh
	PYTHON="$(PYTHON)" VENV4="$(VENV4)" sh tools/setup_cellpose4.sh
	@touch $@

$(VENV)/.screen: $(READY) tools/screen.sh
	sh tools/screen.sh
	@touch $@

$(VENV)/.docs: $(READY)
	$(BIN)/pip install --quiet --group docs
	@touch $@

$(VENV)/.bench: $(READY)
	$(BIN)/pip install --quiet --group bench
	@touch $@

# Everything works from a fresh checkout: what is missing is installed first, into .venv.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install run test test-quick check conformance bench reference matrix constraints clean

# The newest Python here that is new enough.
ifndef PYTHON
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
BIN := .venv/bin
READY := .venv/ready
CHECKED := src tests $(wildcard bench)
# Most tests wait more than they compute, so three share two cores.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
# Where memory has room for what tests leave at a time (1 GB), and runs the scripts among it.
MEMORY = $(shell grep -qs ' /dev/shm .*noexec' /proc/mounts || df -Pk /dev/shm 2>/dev/null | \
    awk 'NR == 2 && $$4 > 2e6 { print $$6 }')
# What pytest made of the tests is kept: made anew, it takes each process seven seconds.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make run          start the registry on 127.0.0.1:5000, with an example image in it"
	@echo "make test         run every test, real clients included"
	@echo "make test-quick   run what needs no real client, in three minutes"
	@echo "make check        lint, format, types"
	@echo "make conformance  run the official OCI suite (needs Go)"
	@echo "make bench        measure beside other registries (needs Go)"
	@echo "make reference    write docs/reference.md anew"
	@echo "make matrix       try every runtime, write docs/runtimes.md anew"
	@echo "make clean        remove what these made; never a store"

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "make: Python 3.11 or newer is needed" >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv 2>/dev/null || \
	    { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	      apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv && \
	      $(PYTHON) -m venv --clear .venv; } || \
	    { echo "make: $(PYTHON) can't make a venv: install its venv module" >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(READY)
	@$(BIN)/lreg serve --example examples/hello

test: $(READY)
	@tests/install-clients
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not alone"
	$(BIN)/pytest -m alone

# In memory, and by forks of one lreg (tests/support/forking.py): `make test` waits for the disk, and
# starts every process as a user does.
test-quick: $(READY)
	QUICK=true TMPDIR=$(MEMORY) $(BIN)/pytest $(SIDE_BY_SIDE) -o tmp_path_retention_policy=failed \
	    -m "not alone and not client and not long"

check: $(READY)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy $(CHECKED)

conformance: $(READY)
	$(BIN)/python -m tests.conformance

bench: $(READY)
	@tests/install-clients
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m bench

reference: $(READY)
	$(BIN)/python -m lreg.cli.reference > docs/reference.md

matrix: $(READY)
	@tests/install-clients
	LREG_PAGE=write $(BIN)/pytest tests/nodes/test_matrix_*.py

# The versions that the tests ran with: in a venv of its own, so that nothing else gets in.
constraints:
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet --disable-pip-version-check '.[dev,bench]'
	build/constraints/bin/pip freeze --exclude lreg > constraints.txt
	rm -rf build/constraints

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

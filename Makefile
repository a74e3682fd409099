# Every target sets up what it needs in .venv by itself. A file in .venv marks each finished step, so a step is done again
# only when what it was made from has changed, and an interrupted one starts over where it stopped.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test lint format train bench clean pictures docs

help:
	@echo 'make demo     find objects in the bundled showroom images and open the App on them'
	@echo '              APP=0 without the App; IMAGES=folder MODEL=weights.pt OUT=folder for your own images'
	@echo 'make test     lint, and run all tests, those in a browser too; ARGS="-k search" for pytest'
	@echo 'make lint     ruff and mypy'
	@echo 'make format   let ruff rewrite the code'
	@echo 'make train    train the showroom model'
	@echo 'make bench    measure how fast objects get vectors'
	@echo 'make docs     take all pictures of the documents anew, and build them as pages in site/'
	@echo 'make setup    only prepare .venv       make clean    remove what these targets wrote, except .venv'
	@echo 'PYTHON=python3.12 picks the Python that .venv is made from.'

setup: $(VENV)/.runtime

# --- the environment --------------------------------------------------------------------------------------------------

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo 'Python 3.10 or later is needed, and "$(PYTHON)" is not. Name one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	    echo '"$(PYTHON)" cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.runtime: pyproject.toml tools/ensure_mongod.py tools/ensure_cv2.py | $(VENV)/.made
	@echo 'Setting up $(VENV). The first time this takes about 4 minutes and 7 GB, most of it PyTorch.'
	$(PY) -m pip install --editable .
	@$(PY) tools/ensure_mongod.py
	@$(PY) tools/ensure_cv2.py
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	$(PY) -m pip install --editable '.[dev,app-test]'
	@touch $@

# --- what it is for ---------------------------------------------------------------------------------------------------

DEMO_ARGS = $(if $(filter 0 no false,$(APP)),--no-app) \
    $(if $(IMAGES),--images '$(patsubst ~/%,$(HOME)/%,$(IMAGES))') \
    $(if $(MODEL),--model '$(patsubst ~/%,$(HOME)/%,$(MODEL))') \
    $(if $(OUT),--out '$(patsubst ~/%,$(HOME)/%,$(OUT))')

demo: $(VENV)/.runtime
	@$(PY) examples/demo.py $(DEMO_ARGS)

# Two processes share the tests, but for those of the App, which have the machine to themselves: a browser, a server and a
# database keep two cores busy. ARGS goes to one pytest.
# Without a browser the tests of the App are skipped, unless SIMFIND_REQUIRE_APP is set.
PYTEST = $(PY) -m pytest
# Files in the order of their names: those with few and long tests would otherwise come last, one beside nothing.
SHARED = -m 'not app' -n 2 --dist loadfile --no-loadscope-reorder
ALL_TESTS = failed=0; $(PYTEST) $(SHARED) || failed=1; $(PYTEST) -m app tests/app || failed=1; exit $$failed

test: lint
	@SIMFIND_CHROMIUM=$$($(PY) tools/ensure_browser.py); export SIMFIND_CHROMIUM; \
	if [ -x $(VENV)/node/node ]; then export PLAYWRIGHT_NODEJS_PATH='$(CURDIR)/$(VENV)/node/node'; fi; \
	$(if $(strip $(ARGS)),$(PYTEST) $(ARGS),$(ALL_TESTS))

lint: $(VENV)/.test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.test
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Every picture of the documents: of the App, in a browser, and what the examples draw.
pictures: $(VENV)/.test
	@$(MAKE) test ARGS=tests/app/test_pictures.py
	@$(PY) tools/docs_pictures.py
	@$(PY) tools/docs_examples.py

docs: pictures
	$(PY) -m mkdocs build --strict

train: $(VENV)/.runtime
	@$(PY) tools/train_showroom.py $(ARGS)

bench: $(VENV)/.runtime
	@$(PY) -m benchmarks.throughput speed $(ARGS)

clean:
	rm -rf build dist demo runs site test-artifacts *.egg-info .coverage
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

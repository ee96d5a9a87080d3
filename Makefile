# Everything a user does. `make help` lists the targets; each sets up what it needs.

PYTHON ?= python3
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AUDIT := $(VENV)/audit
INSTALL := -m pip install --quiet --disable-pip-version-check
SOURCE ?=
PROFILE ?=
TORCH_INDEX ?=
FRESH ?=
RECORD ?=
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.DEFAULT_GOAL := help
.PHONY: help setup repro verify ui test bench lint audit clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'
	@echo
	@echo "  make repro SOURCE=afhq    the real benchmark: Animal Faces from osf.io (SOURCE: a file of stages/datasets/sources/)"
	@echo "  make verify FRESH=1       runs the pipeline of the commit in a temporary clone first; RECORD=1 records the machine"
	@echo "  make repro PROFILE=full   every variant on every task, for days (PROFILE: a file of profiles/; default leads back)"

setup: $(READY) ## create the environment in .venv

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: this needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Install one and name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "error: '$(PYTHON) -m venv' failed; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
	@echo "installing requirements.lock into $(VENV) (several GB with the CUDA build of torch; once)"
ifeq ($(TORCH_INDEX),)
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements.lock
else
	@awk '/^[a-z]/ { cuda = /^(torch|torchvision|triton|nvidia-[^=]+|cuda-[^=]+)==/ } !cuda' requirements.lock >$(VENV)/others.lock
	@$(BIN)/python $(INSTALL) --require-hashes -r $(VENV)/others.lock
	@$(BIN)/python $(INSTALL) --no-deps --index-url $(TORCH_INDEX) $$(grep -oE '^torch(vision)?==[0-9.]+' requirements.lock)
endif
	@$(BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

repro: $(READY) ## run the pipeline: data, training, evaluation, the site in reports/, MLflow runs
	@$(BIN)/python -m stages.config $(if $(SOURCE),source=$(SOURCE)) $(if $(PROFILE),profile=$(PROFILE))
	@$(BIN)/python -m stages.start
	@$(RUN) dvc repro
	@echo "the site: reports/index.html"

verify: $(READY) ## compare the results here with those committed, and say whether a reader would conclude the same
	@$(if $(FRESH),,$(BIN)/python -m stages.start)
	@$(BIN)/python -m stages.verify "fresh=$(FRESH)" "record=$(RECORD)"

ui: $(READY) ## compare the runs in MLflow at http://127.0.0.1:5000 (PORT=... for another port)
	@$(RUN) python -m stages.ui "$(PORT)"

test: $(READY) ## run the tests, on all cores
	@$(RUN) python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

bench: $(READY) ## time the training step again, into reports/timing/
	@$(BIN)/python -m stages.start
	@$(RUN) dvc repro --force --single-item benchmark
	@$(RUN) dvc repro --single-item timing

lint: $(READY) ## check style, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: $(AUDIT)/.ready ## look up known vulnerabilities of the packages in requirements.lock
	@$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  -r requirements.lock 2>$(AUDIT)/log; status=$$?; \
	if grep -qE '^(Found|No known)' $(AUDIT)/log; then cat $(AUDIT)/log; exit $$status; fi; \
	echo "error: nothing was audited, because the index's advisories (https://pypi.org/pypi/...) could not be read:" >&2; \
	tail -n 1 $(AUDIT)/log >&2; exit 1

$(AUDIT)/.ready: audit.lock | $(READY)
	@$(BIN)/python -m venv $(AUDIT)
	@$(AUDIT)/bin/python $(INSTALL) --require-hashes -r audit.lock
	@touch $@

clean: ## remove the environment, caches and what the stages made in data/; reports/ and params.yaml stay
	rm -rf $(VENV) .cache .dvc/cache .dvc/tmp mlflow.db* mlartifacts mlruns build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	find data -mindepth 1 -maxdepth 1 ! -name README.md ! -name images -exec rm -rf {} +
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

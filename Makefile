# l7gw: `make help` lists what can be made.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := deploy/requirements
SECONDS ?= 60
TARGETS ?= $(filter-out run,$(basename $(notdir $(wildcard tests/fuzz/*.py))))
PYTEST ?= $(if $(COMPILED),PYTHONPATH=$(CURDIR)/build/compiled) $(BIN)/pytest
# Two processes, since two cores are what the tests are planned for; a file stays in one of them, with what its tests share.
BESIDE := -n 2 --dist loadfile --no-loadscope-reorder
# Python's bytecode is kept: the tests start some hundred processes of l7gw, and without it each compiles the package for 0.25 s.
unexport PYTHONDONTWRITEBYTECODE
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

.PHONY: help install demo test test-long reference lint fuzz differential bench performance instructions soak conformance dist compiled build lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.runtime ## make .venv with l7gw in it, from locked dependencies
demo: $(VENV)/.demo ## run the guided tour on an embedded cluster (KEEP=1 stays up)
	@$(BIN)/l7gw demo $(if $(KEEP),--keep)
# What failed has a second try, and is told twice where it fails again: older kubectls have races of their own (a resize or a refused
# port that they miss), and a machine with other work makes a second long.
AGAIN := --last-failed --last-failed-no-failures none tests
test: $(VENV)/.test $(if $(COMPILED),build) ## run the tests: every real client that this machine has, oldest and newest kubectl; COMPILED=1 on that build
	$(PYTEST) $(BESIDE) -m "not long" tests || $(PYTEST) -m "not long" $(AGAIN)
test-long: $(VENV)/.test ## run what takes longer: every kubectl, long fuzzing
	$(PYTEST) $(BESIDE) -m long tests || $(PYTEST) -m long $(AGAIN)
fuzz: $(VENV)/.test ## fuzz the parsers: SECONDS=60 for each, TARGETS="wire_http1 wire_spdy" for these alone
	@set -e; for target in $(TARGETS); do $(BIN)/python tests/fuzz/run.py $$target --seconds $(SECONDS); done
differential: $(VENV)/.test ## give one traffic to a gateway with memory and to one without, and compare every byte: CALLS=1000000 SEED=0 JOBS=2
	$(BIN)/python -m tests.support.twins.run --calls $(or $(CALLS),20000) --seed $(or $(SEED),0) $(if $(JOBS),--jobs $(JOBS))
bench: $(VENV)/.test ## hold l7gw against a plain Go proxy, a bare relay and nginx in one run; ROUNDS=5 BENCH_SECONDS=4
	$(BIN)/python bench/run.py --prices --rounds $(or $(ROUNDS),5) --seconds $(or $(BENCH_SECONDS),4)
	$(BIN)/python bench/log_price.py
	-$(BIN)/python bench/instructions.py --proxies l7gw,unlogged,unmasked
	$(BIN)/python bench/login.py
	$(BIN)/python bench/lists.py
	$(BIN)/python bench/grep.py
performance: $(VENV)/.test build ## measure all cells in about twelve minutes (on a quiet machine), and write the tables of docs/performance.md; INSTRUCTIONS=1 counts them too
	$(BIN)/python bench/run.py --quick -o json --python compiled=build/compiled/python > bench/results.json.new
	mv bench/results.json.new bench/results.json
	$(if $(INSTRUCTIONS),$(BIN)/python bench/instructions.py --page > bench/instructions.json.new && mv bench/instructions.json.new bench/instructions.json)
	$(BIN)/python bench/page.py
instructions: $(VENV)/.test ## count the instructions of a call by callgrind: CELLS="small;cold" PROXIES=l7gw,unlogged
	$(BIN)/python bench/instructions.py $(if $(CELLS),"$(CELLS)") --proxies $(or $(PROXIES),l7gw)
soak: $(VENV)/.test ## load one gateway for HOURS=24 and see whether its memory grows; OUT=FILE takes a sample a minute
	$(BIN)/python bench/soak.py --hours $(or $(HOURS),24) > $(or $(OUT),/dev/null)
conformance: $(VENV)/.test ## ask h2spec, Autobahn and the tests of abuse and faults, and write docs/conformance.md
	$(BIN)/python tests/conformance/page.py run
reference: $(VENV)/.test ## write the tables of docs/configuration.md and docs/policy.md anew, from the tables of keys
	$(BIN)/python -m tests.support.key_pages
compiled: $(VENV)/.test ## build the wheel of the compiled build into dist/, beside the plain one (a C compiler is needed)
	@L7GW_COMPILED=1 $(BIN)/hatchling build -t wheel -d dist
build: $(VENV)/.test
	$(BIN)/python deploy/compiled.py
lint: $(VENV)/.test ## ruff, mypy --strict, and vulture for what nothing calls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vulture
# The time in both archives is that of the last commit, so that one source has one wheel; without git it is 1980, the first that zip knows.
dist: $(VENV)/.runtime ## build the wheel and the source archive into dist/: the same bytes from the same sources
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 315532800)} \
		$(BIN)/hatchling build --clean --directory dist > /dev/null
	@cd dist && sha256sum *
lock: $(VENV)/.test ## resolve the dependencies anew into deploy/requirements
	$(BIN)/pip -q install uv
	$(LOCK) --extra build --extra demo --extra test -o $(LOCKS)/test.lock pyproject.toml
	$(LOCK) --extra build --extra demo -c $(LOCKS)/test.lock -o $(LOCKS)/demo.lock pyproject.toml
	$(LOCK) --extra build -c $(LOCKS)/test.lock -o $(LOCKS)/runtime.lock pyproject.toml
clean: ## remove what make made here
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

# One stamp a dependency set: `test` holds `demo` holds `runtime`.
$(VENV)/.runtime $(VENV)/.demo $(VENV)/.test: $(VENV)/.%: $(LOCKS)/%.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "l7gw needs Python 3.11 or newer; say which with make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip --disable-pip-version-check -q install --require-hashes -r $<
	$(BIN)/pip --disable-pip-version-check -q install --no-deps --no-build-isolation -e .
	@touch $@

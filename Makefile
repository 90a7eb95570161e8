# One command for each thing one does here. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# When the native kernel was built last, or found to have no compiler.
KERNEL := $(VENV)/.kernel
CODE   := $(wildcard stream tests bench)

# Without kept bytecode each process that a test or the demo starts compiles all libraries anew: a second of its time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup system browser demo test soak test-redis test-sanitized fuzz test-browser test-foreign test-ingest fuzz-ingest pictures unit bench bench-ingest bench-peers bench-scenarios bench-latency bench-overload bench-results claims lock-peers lock-openapi chaos chaos-long simulate-faults lint format stack-up stack-down schemas screenshots lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) $(KERNEL) ## make .venv with the pinned libraries and the native kernel (instant when nothing changed)

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make setup PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@# uv is ten times as quick; pip alone knows a machine's own pip configuration, so it gets the last word.
	@awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements-dev.txt > $(VENV)/uv.txt
	$(PIP) --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.txt \
		|| $(PIP) --require-hashes -r requirements-dev.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# A machine without a C compiler gets one as a wheel (100 MB, once). Without that too Snapup runs in Python, and says so.
$(KERNEL): $(STAMP) $(wildcard stream/kernel/src/*) stream/kernel/building.py requirements-kernel.txt
	@$(BIN)/python -m stream.kernel.building --have-compiler || $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-kernel.txt \
		|| echo "native kernel: the compiler wheel could not be fetched" >&2
	@$(BIN)/python -m stream.kernel.building
	@touch $@

system: setup ## fetch what the machine lacks: Kafka's jars, redis-server, promtool (into the cache, no service is started)
	@$(BIN)/snapup doctor --install

browser: setup ## install Chromium and a Chinese font for the browser tests (as root; others are told what to type)
	@$(BIN)/snapup doctor --install --browser

demo: system ## start everything locally and watch a show
	$(BIN)/snapup demo

test: system browser lint ## everything that CI runs
	$(BIN)/python -m pytest tests $(PARALLEL)

test-browser: system ## the pages in a real Chromium alone (some minutes; says loudly when there is none)
	$(BIN)/python -m pytest tests/browser $(PARALLEL)

test-foreign: system ## other people's clients (librdkafka, Java, franz-go) with every codec (two minutes; says what the machine lacks)
	SNAPUP_FOREIGN=all $(BIN)/python -m pytest tests/foreign $(PARALLEL)

test-ingest: system ## the gateway: gateway, worker and broker killed under load, a broker that hangs, and a minute of bodies of all sorts (some minutes)
	SNAPUP_INGEST=all INGEST_FUZZ_S=60 $(BIN)/python -m pytest tests/unit/ingest tests/property/test_ingest_bodies.py tests/integration/test_ingest.py tests/integration/test_ingest_kills.py

fuzz-ingest: system ## ten minutes of bodies for the gateway: five by Schemathesis from its OpenAPI document, five by our own
	INGEST_FUZZ_S=300 $(BIN)/python -m pytest tests/openapi tests/property/test_ingest_bodies.py

pictures: system ## every scene over every picture, to look through: tests/out/screens/index.html
	SNAPUP_ALL_PICTURES=1 $(BIN)/python -m pytest tests/browser/test_wide_looks.py tests/browser/test_screens.py

soak: system ## six hours of a show on one page, a document a second (two minutes; make test plays one for two seconds)
	SNAPUP_SOAK=1 $(BIN)/python -m pytest tests/browser/test_soak.py

test-sanitized: setup ## what touches the native kernel, with it under the sanitizers for addresses and undefined behaviour (some minutes)
	@mkdir -p build/sanitized
	$(BIN)/python -m stream.kernel.building --required --sanitized --into build/sanitized
	SNAPUP_KERNEL=native SNAPUP_KERNEL_LIBRARY=build/sanitized/_kernel.so LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so) $$($${CC:-cc} -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 $(BIN)/python -m pytest tests/unit/kernel/test_packed.py tests/unit/records tests/property/test_kernels.py tests/property/test_packed_batches.py -p no:cacheprovider

fuzz: setup ## SECONDS=600 SEED=1: the native kernel under the sanitizers, guided by what its inputs reach
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1)

test-redis: system ## Redis as it is run, with every redis-server that can be had (6.2, 7, 8, Valkey 8); some minutes
	$(BIN)/python -m tests.support.redis_matrix
	SNAPUP_REDIS_MATRIX=1 $(BIN)/python -m pytest tests/redis $(PARALLEL)

unit: setup ## the fast tests only
	$(BIN)/python -m pytest tests -m "not integration and not slow"

bench: system ## what it costs: decode, fold, checkpoint, the whole job of a worker, and 2 000 streams (some minutes; leave the machine alone)
	$(BIN)/python -m bench.decode
	$(BIN)/python -m bench.fold
	$(BIN)/python -m bench.kernel
	$(BIN)/python -m bench.gifts
	$(BIN)/python -m bench.checkpoint
	$(BIN)/python -m bench.worker
	$(BIN)/python -m bench.streams

bench-ingest: system ## the gateway beside a broker: events a second in bodies of 100, and the time of an answer (a minute, quiet)
	$(BIN)/python -m bench.ingest

bench-peers: system ## the worker beside others that count the same events: Faust, Quix, Bytewax, Kafka Streams (an hour, quiet)
	$(BIN)/python -m bench.peers

bench-scenarios: system ## the large shows against workers, beside the goals (half an hour; leave the machine alone)
	$(BIN)/python -m bench.scenarios

bench-latency: system ## append to visible in Redis at 25, 50 and 75 % of what bench.worker measured
	$(BIN)/python -m bench.latency

bench-overload: system ## three times the maximum for ten minutes, and what becomes of it
	$(BIN)/python -m bench.overload

claims: setup ## recompute every claim of a million, by code that shares nothing with the core (a quarter of an hour)
	$(BIN)/python -m bench.claims --write

bench-results: setup ## write bench/RESULTS.md from what the benches measured last
	$(BIN)/python -m bench.results

chaos: system ## workers, broker and Redis under a seeded schedule of faults, exact at the end (7 to 20 minutes; SEED=… for the same again)
	$(BIN)/python -m tests.chaos --plan standard $(if $(SEED),--seed $(SEED))

chaos-long: system ## the same for half an hour to an hour, with three brokers: 60 kills, 20 pauses, Kafka and Redis away for minutes
	$(BIN)/python -m tests.chaos --plan long --brokers 3 $(if $(SEED),--seed $(SEED))

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(CODE)

format: setup ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

simulate-faults: setup ## SEEDS=10000 FIRST_SEED=0: the real worker code among simulated faults; a failing seed says how to see it again
	$(BIN)/python -m tests.simulation.run --first $(FIRST_SEED) --seeds $(SEEDS)

SEEDS = 10000
FIRST_SEED = 0

stack-up: system ## start the local Kafka and Redis, and keep them
	$(BIN)/snapup stack up

stack-down: setup ## stop them
	$(BIN)/snapup stack down

schemas: setup ## write schemas/ from the Python types
	$(BIN)/snapup schemas write --overwrite

screenshots: system ## take the README's pictures again (needs Chromium; a minute)
	$(BIN)/python -m tests.browser.screenshots

lock: $(STAMP) ## pin the libraries again, with hashes and without download addresses
	$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --extra dev -o requirements-dev.txt
	$(BIN)/uv pip compile $(LOCK) --no-deps requirements-kernel.in -o requirements-kernel.txt
	@! grep -nE '^(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)|https?://|@ file:' requirements.txt requirements-dev.txt requirements-kernel.txt

lock-peers: $(STAMP) ## pin what the bench's peers need, in an environment of their own
	$(BIN)/uv pip compile $(subst make lock,make lock-peers,$(LOCK)) bench/peers/requirements.in -o bench/peers/requirements.txt
	@! grep -nE '^(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)|https?://|@ file:' bench/peers/requirements.txt

lock-openapi: $(STAMP) ## pin Schemathesis, in an environment of its own
	$(BIN)/uv pip compile $(subst make lock,make lock-openapi,$(LOCK)) tests/openapi/requirements.in -o tests/openapi/requirements.txt
	@! grep -nE '^(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)|https?://|@ file:' tests/openapi/requirements.txt

# One process more than cores, for tests wait for servers: with one for each core two cores were
# busy for half of the run. Whole files to each, the slow ones (they come first by name) before the many. A process that
# dies ends the run: pytest-xdist would give its file to the next one, and after a second death wait for good.
PROCESSES = $(shell $(BIN)/python -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
PARALLEL = -n $(PROCESSES) --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

clean: ## remove what is made here (not the cache of jars)
	rm -rf $(VENV) stream/kernel/_kernel.* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

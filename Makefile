# One word per job. `make demo` and `make test` need nothing but Python 3.11 (or newer), make and a package index.
PYTHON ?= python3
VAR ?= var
PY := .venv/bin/python
RUN := $(PY) leadscore.py
# Threads that wait must not spin: on a busy machine that makes LightGBM ten times slower.
export OMP_WAIT_POLICY = PASSIVE

.PHONY: setup compile demo test serve notebooks bench proof mutants lint format lock dist sbom canary audit clean

setup: .venv/ready compile

# Nothing is done where all is compiled already.
compile: .venv/ready
	@$(RUN) compile

.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(RUN) demo --var $(VAR)

test: lint compile
	$(PY) -m pytest --numprocesses 2 --dist worksteal

# The server's many threads share two of glibc's arenas instead of filling one each.
serve bench: export MALLOC_ARENA_MAX = 2

serve: setup
	$(RUN) serve --var $(VAR)

# They lie there as text; "Open With > Notebook" in the menu of a file.
notebooks: setup
	$(PY) -m jupyterlab notebooks

bench: setup
	$(PY) -m benchmarks $(NAME)

proof: setup
	$(PY) -m pytest --proof "$(NAME)"

# Plants faults in the core and tells which no test notices; may be stopped, and goes on where it was.
mutants: .venv/ready
	$(PY) -m tests.mutation $(NAME)

lint: .venv/ready
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: .venv/ready
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

LOCK := .venv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
lock:
	test -x .venv/bin/uv || ($(PYTHON) -m venv .venv && $(PY) -m pip install --quiet uv)
	$(LOCK) --upgrade pyproject.toml --output-file requirements.lock
	$(LOCK) --extra dev --extra cluster --extra crm --constraints requirements.lock pyproject.toml --output-file requirements-dev.lock

# Wheel and sdist, without a package index: setuptools is among the locked packages.
dist: .venv/ready
	rm -rf dist
	$(PY) -c 'from setuptools import build_meta as backend; backend.build_sdist("dist"); backend.build_wheel("dist")'

sbom: .venv/ready
	mkdir -p $(VAR)
	.venv/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o $(VAR)/sbom.json requirements.lock

# An auditor that does not see a version known to be bad has not looked: then the audit did not run.
AUDITOR ?= .venv/bin/pip-audit
CANARY := jinja2==2.4.1
canary: setup
	mkdir -p $(VAR)
	echo '$(CANARY)' > $(VAR)/canary.txt
	$(AUDITOR) --no-deps --disable-pip --progress-spinner off --requirement $(VAR)/canary.txt 2>&1 | grep -qiE 'PYSEC-|GHSA-|CVE-' || \
		{ echo 'the audit did not run: $(CANARY), which is known to be bad, was not found' >&2; exit 1; }

audit: canary
	$(AUDITOR) --disable-pip --progress-spinner off --requirement requirements.lock

clean:
	rm -rf .venv $(VAR) build dist .wheel

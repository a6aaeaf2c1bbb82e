# Everything a person types. `make run` needs Python 3.11 or newer and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run stop test lint bench demo project install install-test

VENV ?= .venv
BIN := $(VENV)/bin

# The first Python that is new enough and can make a venv; PYTHON=… chooses another.
find_python = for p in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; exit 0; }; \
	done; exit 1
install = python=$$($(find_python)) || { echo "Python 3.11 or newer with its venv module is needed, and none was found. Install one, or name it: make PYTHON=/path/to/python3 run" >&2; exit 1; }; \
	"$$python" -I lunary_dash/install.py $(VENV)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install:
	@$(install) requirements.txt

install-test:
	@$(install) requirements-test.txt

run: install ## install what is missing and start everything; Ctrl-C stops it (HOST, PORT, DATA_DIR)
	@exec $(BIN)/python -m lunary_dash.supervisor

stop: install ## stop the copy that runs in DATA_DIR
	@exec $(BIN)/python -m lunary_dash.supervisor stop

project: install ## make one more project in the running copy and print its keys: make -s project NAME="My app"
	@exec $(BIN)/python manage.py create_project "$${NAME:-New project}"

demo: install ## fill the running copy with a labelled, removable demonstration
	@exec $(BIN)/python manage.py demo

test: install-test ## run all tests: real PostgreSQL and Valkey, and a browser where there is one
	@exec $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: install-test ## check style, types, templates and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/lint-imports

bench: install-test ## measure ingest and pages against bare COPY on this machine
	@exec $(BIN)/python -m bench $(ARGS)

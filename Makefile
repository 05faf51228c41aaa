# One command for each thing to do here. All of it runs in .venv, which is made when it is needed first, and brought up
# to date when a requirement changes. `make PYTHON=/path/to/python …` makes it with another interpreter than the first of
# these that is new enough.

PYTHON ?= $(wildcard $(RUN)) python3.13 python3.12 python3.11 python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PIP := $(RUN) -m pip --quiet --disable-pip-version-check
# Each list of what is needed, with its locked one beside it.
LISTS := requirements requirements-lambda requirements-dev
PYTEST := $(RUN) -m pytest --quiet --numprocesses auto --dist worksteal
COVERAGE := $(RUN) -m coverage report
CONFIG ?= config
# As one word, whatever is in it; not every shell has put the home directory in the place of ~ here.
FOLDER = '$(patsubst ~/%,$(HOME)/%,$(CONFIG))'
ARGS :=
HANDLERS := identification/lambdas/iam-user-inactive-keys-identification
# What an issue is, what becomes of it, and what is said of it.
SAID := library/issues/*,library/notifications/news.py,library/notifications/*_words.py,library/notifications/facts.py
TYPED := hammer library reporting_remediation deployment tests $(wildcard identification/*.py $(HANDLERS)/*.py)

.PHONY: help demo demo-up new-config test test-pure test-moto test-ministack test-other coverage bench check lock package deploy \
	deploy-roles check-deployment publish-config put-credentials redrive destroy picture clean
.DEFAULT_GOAL := help

help:  ## Print this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

demo: $(STAMP)  ## Run the main job on an embedded AWS, told step by step (under a minute)
	@$(RUN) -m deployment.local.demo

demo-up: $(STAMP)  ## Start, deploy, fill and scan the embedded AWS, and keep it up until Ctrl-C
	@$(RUN) -m deployment.local.demo --up

test: $(STAMP)  ## Run all tests
	@$(PYTEST)

test-pure: $(STAMP)  ## Run the tests of what is decided, said and written: no moto, no process
	@$(PYTEST) -m pure

test-moto: $(STAMP)  ## Run the tests of functions and commands on accounts that moto plays
	@$(PYTEST) -m moto

test-ministack: $(STAMP)  ## Run the tests on the embedded AWS (ministack)
	@$(PYTEST) -m ministack

test-other: $(STAMP)  ## Run the other tests: timelines, processes, a browser
	@$(PYTEST) -m "simulation or process or browser"

# What is decided and what is said is reached without AWS; what is called, on the accounts that moto plays. To trace all
# the other tests, too, would show little more: they start processes.
coverage: $(STAMP)  ## Run the tests of pure and moto, and hold the branches that they reach to a floor
	@$(PYTEST) -m pure --cov --cov-report=
	@$(COVERAGE) --fail-under=95 --include='$(SAID)'
	@$(PYTEST) -m moto --cov --cov-append --cov-report=
	@$(COVERAGE) --fail-under=90

bench: $(STAMP)  ## Measure what CONTRIBUTING.md states, beside the plain way (about an hour)
	@$(RUN) -m tests.benchmarks

check: $(STAMP)  ## Check style, types, the import contract and the templates
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .
	@MYPYPATH=$(HANDLERS) $(RUN) -m mypy --no-error-summary $(TYPED)
	@report=$$($(VENV)/bin/lint-imports --no-logo --no-cache) || { echo "$$report"; exit 1; }
	@$(VENV)/bin/cfn-lint deployment/cloudformation/*.yaml

lock: $(STAMP)  ## Write requirements*.txt from requirements*.in, all pinned (ARGS=--upgrade)
	@for list in $(LISTS); do \
		$(RUN) -m uv pip compile --quiet --no-config --universal --python-version 3.11 --only-binary :all: --generate-hashes \
			--no-strip-extras --custom-compile-command "make lock" --output-file $$list.txt $(ARGS) $$list.in || exit; \
	done

new-config: $(STAMP)  ## Write a configuration to begin with (ARGS=../hammer-config)
	@$(RUN) -m deployment.new_config $(ARGS)

package: $(STAMP)  ## Check CONFIG, and build the functions' and the host's zip into build/
	@$(RUN) -m deployment.build_packages $(FOLDER) $(ARGS)

deploy: $(STAMP)  ## Show, ask, and deploy the main account's stacks (ARGS="--stack host …" for the host)
	@$(RUN) -m deployment.deploy $(FOLDER) $(ARGS)

deploy-roles: $(STAMP)  ## Deploy the roles of the scanned accounts, as a StackSet
	@$(RUN) -m deployment.deploy_roles $(FOLDER) $(ARGS)

destroy: $(STAMP)  ## Remove what deploy and deploy-roles have made, and keep tables, log group and bucket
	@$(RUN) -m deployment.destroy $(FOLDER) $(ARGS)

check-deployment: $(STAMP)  ## Say per account what a scan would be refused, and how to mend it
	@$(RUN) -m deployment.check_deployment $(FOLDER) $(ARGS)

publish-config: $(STAMP)  ## Put CONFIG into force in S3, all of it at once
	@$(RUN) -m deployment.publish_config $(FOLDER) $(ARGS)

put-credentials: $(STAMP)  ## Try and store the JIRA and Slack credentials
	@$(RUN) -m deployment.put_credentials $(FOLDER) $(ARGS)

redrive: $(STAMP)  ## Ask again for the scans in the queue of failures
	@$(RUN) -m deployment.redrive $(FOLDER) $(ARGS)

picture:  ## Take the README's picture of the report that make demo has left in build/ (needs Chromium)
	@chromium --headless --no-sandbox --hide-scrollbars --log-level=3 --window-size=1280,1070 \
		--screenshot=deployment/local/inactive-keys-report.png file://$(CURDIR)/build/inactive-keys-report.html

clean:  ## Remove .venv and everything that was built or cached
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(LISTS:=.txt) setup.cfg pyproject.toml
	@for python in $(PYTHON); do \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) || continue; \
		case $$version in 2.* | 3.[0-9] | 3.10) found="$$found $$python $$version,"; continue ;; esac; \
		echo "Installing into $(VENV) with Python $$version (about a minute)"; \
		exec "$$python" -m venv $(VENV); \
	done; \
	echo "Python 3.11 or newer is needed; found:$${found:- none,} where $(strip $(PYTHON)) was looked for" >&2; exit 2
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

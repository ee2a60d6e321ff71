# Bảo Hộ: every target makes what it needs by itself; `make help` lists them.
PYTHON ?= python3
PORT ?= 8000
STATE ?= var
SBOM ?= var/sbom.json
venv := .venv/bin
ready := .venv/.installed

export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help run stack demo token test soak bench lint format migrate revision docs lock sbom vulnerabilities clean reconcile audit-verify dead-letters

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | awk -F '\t' '{printf "  %-15s %s\n", $$1, $$2}'

$(ready): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv || { echo "install python3-venv"; exit 1; }
	@echo "installing what requirements.lock names (once) ..." >&2
	@$(venv)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(venv)/python -m compileall -q shared services deploy
	@touch $@

run: $(ready) ## Run everything in one process on this machine (PORT=8000 STATE=var).
	@exec $(venv)/python -m deploy.local --port $(PORT) --state $(STATE)

stack: $(ready) ## Run the real parts as separate processes: PostgreSQL, Kafka, nginx, the issuer, the services.
	@exec $(venv)/python -m deploy.stack --state $(STATE)/stack

demo: $(ready) ## Play one story through the gateway, against `make run` or `make stack`.
	@$(venv)/python -m deploy.demo --state $(STATE) --port $(PORT)

token: $(ready) ## Print a token: ROLE=osso_officer [ORG= COUNTRY= OFFICE= PROVINCE= AGENCY=].
	@$(venv)/python -m deploy.identity.token --state $(STATE)/identity "$(ROLE)" $(if $(ORG),--org $(ORG)) \
		$(if $(COUNTRY),--country $(COUNTRY)) $(if $(OFFICE),--office $(OFFICE)) \
		$(if $(PROVINCE),--province $(PROVINCE)) $(if $(AGENCY),--agency $(AGENCY))

test: lint ## Check everything: lint, types, contracts, and all tests, in parallel.
	@$(venv)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: $(ready) ## Run the long demonstrations at full size: outages of minutes, dozens of kills.
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; echo "SEED=$$seed plays the same requests again"; \
	SOAK=1 $(venv)/python -m pytest -m soak -n 2 --dist loadfile --no-loadscope-reorder --timeout 1800 --hypothesis-seed=$$seed

bench: $(ready) ## Measure, each figure beside its limit, and renew docs/performance.md (ONLY=post,search QUICK=1).
	@$(venv)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) --state $(STATE)/bench

lint: $(ready) ## Check style, types, and who imports whom.
	@$(venv)/ruff format --check --quiet . || { echo "run make format"; exit 1; }
	@$(venv)/ruff check --quiet .
	@$(venv)/mypy shared services deploy tests
	@mkdir -p -m 700 var
	@$(venv)/lint-imports --no-cache >var/imports.log 2>&1 || { cat var/imports.log; exit 1; }

format: $(ready) ## Write the code as the formatter wants it.
	@$(venv)/ruff format --quiet . && $(venv)/ruff check --quiet --fix .

reconcile: $(ready) ## Count whether the four databases agree (STATE=var, or STATE=var/stack; STATE= for the environment).
	@$(venv)/python -m deploy.reconcile $(if $(STATE),--state $(STATE))

audit-verify: $(ready) ## Verify the sealed audit trail of each service (STATE=var, or STATE=var/stack; STATE= for the environment).
	@$(venv)/python -m deploy.audit_verify $(if $(STATE),--state $(STATE))

dead-letters: $(ready) ## List what could not be handled, or ACT="keys|show ID|replay ID|discard ID REASON" (STATE=, as above).
	@$(venv)/python -m deploy.dead_letters $(if $(STATE),--state $(STATE)) $(or $(ACT),list)

migrate: $(ready) ## Bring the four databases to head; addresses come from the environment (INTAKE_OWNER_DATABASE_URL …).
	@$(venv)/python -m deploy.migrate

revision: $(ready) ## Write a migration from the models: BRANCH=intake|hotline|referral|registry|kit MESSAGE="what changes".
	@$(venv)/python -m deploy.revision "$(BRANCH)" "$(MESSAGE)"

docs: $(ready) ## Write the pages that are made from the code, and what new events promise.
	@$(venv)/python -m deploy.reference

.PHONY: keys-check rotate-key rotate-signing-key backup restore
keys-check: $(ready) ## Tell which keys are needed, missing, wrong or spare (STATE=var, or STATE=var/stack; STATE= for the environment).
	@$(venv)/python -m deploy.keys_check $(if $(STATE),--state $(STATE))

rotate-key: $(ready) ## One step of a rotation on this machine: STEP=add|promote|remove RING=INTAKE_SERVICE_KEYS [KEY=k1 STATE=var].
	@$(venv)/python -m deploy.key_ring "$(STEP)" "$(RING)" $(if $(KEY),--key $(KEY)) --state $(STATE)

backup: $(ready) ## Write all four databases into a new folder, without keys: TO=folder [STATE=var; STATE= for the environment].
	@$(venv)/python -m deploy.backup "$(TO)" $(if $(STATE),--state $(STATE))

restore: $(ready) ## Bring them back from it, all or none, the erased left out: FROM=folder [REPLACE=1 STATE=var].
	@$(venv)/python -m deploy.restore "$(FROM)" $(if $(REPLACE),--replace) $(if $(STATE),--state $(STATE))

rotate-signing-key: $(ready) ## Let a new key sign the development issuer's tokens [RETIRE=<kid> STATE=var].
	@$(venv)/python -m deploy.identity.rotate --state $(STATE)/identity $(if $(RETIRE),--retire=$(RETIRE))

lock: ## Resolve requirements.lock anew, for Python 3.11 to 3.13.
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-strip-extras --group dev --custom-compile-command "make lock" pyproject.toml -o requirements.lock

sbom: $(ready) ## Write what the house is made of, with licences (CycloneDX 1.6): SBOM=var/sbom.json.
	@mkdir -p -m 700 var
	@$(venv)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible $(SBOM_OPTIONS) \
		-o $(SBOM) $(venv)/python && echo "wrote $(SBOM)"

vulnerabilities: $(ready) ## Ask the public advisory database about every pinned package.
	@$(venv)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements.lock

clean: ## Remove the virtual environment and caches; state in var/ stays.
	@rm -rf .venv .mypy_cache .ruff_cache

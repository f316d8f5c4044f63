# What a developer does, and what CI does: the same targets. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

MODULES := proto libs services
PACKAGES := $(MODULES:%=./%/...)
export PATH := $(CURDIR)/bin:$(PATH)
export MODULES PACKAGES

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+%?:.*## /{sub(/%/, "<service>", $$1); printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)


.PHONY: demo
demo: ## a student register, Apple School Manager and all between them, on this machine (ARGS=--once)
	@go run ./services/ess demo $(ARGS)

run-%: ## run one service, for example make run-source-alvis ARGS=--help
	@go run ./services/$* $(ARGS)


.PHONY: test
test: testbed verify lint build race ## everything that CI runs

.PHONY: testbed
testbed: ## install the real peers that tests talk to, where that is possible
	@scripts/testbed

.PHONY: verify
verify: bin/buf bin/protoc-gen-go ## generated code, go.mod files and formatting are as they should be
	@scripts/verify

.PHONY: lint
lint: bin/golangci-lint bin/buf ## what the code and the messages must look like, and who may import whom
	@scripts/lint

.PHONY: build
build: ## build every module by itself, outside the workspace
	@for m in $(MODULES); do echo "build: $$m"; (cd $$m && GOWORK=off go build ./...); done

.PHONY: race
race: bin/gotestsum ## all tests, with the race detector; TESTS='-run Name ./libs/roster' for some of them
	@scripts/race $(TESTS)

.PHONY: board
board: ## run the suites of all connectors, and write docs/board.md of what they saw
	@scripts/board

.PHONY: fuzz
fuzz: ## every fuzz target for a while (FUZZTIME=10s)
	@scripts/fuzz

.PHONY: bench
bench: ## measure beside the fastest plain tool for each stage
	@scripts/bench $(ARGS)


.PHONY: new-source
new-source: ## the folder of a new source, which passes its suite: NAME=skolan TITLE=Skolan LIKE=quiculum
	@go run ./services/scaffold source --name "$${NAME:-}" --title "$${TITLE:-}" --package "$${PACKAGE:-}" --like "$${LIKE:-}"

.PHONY: new-target
new-target: ## the folder of a new target: NAME=google-workspace TITLE="Google Workspace" PACKAGE=workspace
	@go run ./services/scaffold target --name "$${NAME:-}" --title "$${TITLE:-}" --package "$${PACKAGE:-}" --like "$${LIKE:-}"

.PHONY: generate
generate: bin/buf bin/protoc-gen-go ## make the Go code of the messages and the schema of a tenant's document anew
	@cd proto && buf generate
	@go run ./services/essctl/schema

.PHONY: fmt
fmt: bin/golangci-lint ## format the code as lint wants it
	@golangci-lint fmt $(PACKAGES)

.PHONY: clean
clean: ## take away what was built
	@rm -rf bin

# A tool is a go.mod of its own in scripts/tools, so that it is built from the very versions that its authors tested.
bin/%: scripts/tools/%/go.mod scripts/tools/%/go.sum
	@echo "tool: $* (built once, minutes for a large one)"
	@cd $(<D) && GOWORK=off go build -trimpath -o $(CURDIR)/bin/ tool
	@touch $@

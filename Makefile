# Headgate. `make` alone lists what there is.
#
# POSIX make and shell. The services that tests and the demo need are looked
# for and, if missing, installed by deploy/services.sh, which says so first.

GO = go
# gin's MessagePack codec is a slow build that nothing here uses.
TAGS = -tags nomsgpack
PKGS = ./...
FUZZTIME = 10s
ARGS =
# One throw-away PostgreSQL cluster for all test binaries of a run.
WITH_SERVICES = .cache/bin/withservices --
GOTEST = $(GO) test $(TAGS) -count=1 -timeout 20m
# Built and then run, not `go run`: that one dies of a signal without passing it
# on, and would leave the stack running.
HEADGATE = .cache/bin/headgate
BUILD_HEADGATE = $(GO) build $(TAGS) -o $(HEADGATE) ./cmd/headgate

.PHONY: help demo dev test race integration fuzz bench load fault interop pages conformance broken lint vuln generate verify build reproduce services cover clean

help: ## list the targets
	@echo 'usage: make TARGET [PKGS=./authz/...] [ARGS="--home DIR"] [FUZZTIME=10s] [VULNDB=file:///DIR]'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

demo: ## bring everything up, walk one recipient through consent, read and stop, and say what happened
	@deploy/services.sh postgres
	$(BUILD_HEADGATE)
	$(HEADGATE) demo $(ARGS)

dev: ## keep the whole stack running, with pages to click through; writes .headgate/dev.json
	@deploy/services.sh postgres
	$(BUILD_HEADGATE)
	$(HEADGATE) dev $(ARGS)

test: ## run all tests, on a real PostgreSQL and a real Redis
	@deploy/services.sh postgres redis
	$(WITH_SERVICES) $(GOTEST) $(PKGS)

race: ## run all tests under the race detector (needs a C compiler)
	@command -v "$$($(GO) env CC)" >/dev/null || { echo 'make race: the race detector needs a C compiler: install gcc or clang' >&2; exit 1; }
	@deploy/services.sh postgres redis
	CGO_ENABLED=1 $(WITH_SERVICES) $(GOTEST) -race $(PKGS)

integration: ## run only the packages whose tests start PostgreSQL or Redis
	@deploy/services.sh postgres redis
	$(WITH_SERVICES) $(GOTEST) $$(find . -name '*_test.go' ! -path './.cache/*' \
		-exec grep -lE 'headgate/internal/(testenv|services)"' {} + | xargs -n 1 dirname | sort -u)

fuzz: ## run every fuzz target for FUZZTIME
	@find . -name '*_test.go' ! -path './.cache/*' -exec grep -H '^func Fuzz' {} + | \
	sed 's|^\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\)(.*|\1 \2|' | sort -u | \
	while read -r dir name; do \
		echo "fuzz: $$name in $$dir for $(FUZZTIME)"; \
		$(GO) test $(TAGS) -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$dir" </dev/null || exit 1; \
	done

bench: ## measure what enforcement costs, each line beside its reference; writes bench.json
	@deploy/services.sh postgres redis
	$(BUILD_HEADGATE)
	$(HEADGATE) bench $(ARGS)

load: ## read a bank at a constant rate, 150 reads/s for 60 s unless ARGS says otherwise; fails when a read does
	@deploy/services.sh postgres redis
	$(BUILD_HEADGATE)
	$(HEADGATE) bench load $(ARGS)

fault: ## break things under load and see which promises are kept (SEED=n, SEEDS=1..10, FAULT=nightly, MUTANTS=1)
	@deploy/services.sh postgres redis
	GO='$(GO)' TAGS='$(TAGS)' conformance/fault/run.sh $(ARGS)

interop: ## walk the stack with a client library of another ecosystem (needs Node 20 or later)
	@command -v node npm >/dev/null || { echo 'make interop: needs node and npm' >&2; exit 1; }
	@deploy/services.sh postgres redis
	$(BUILD_HEADGATE)
	conformance/interop/stack.sh $(HEADGATE)

pages: ## look at every page in five languages in a real browser (Chromium, Node 20); pictures in .cache/pages
	@deploy/services.sh postgres redis
	$(BUILD_HEADGATE)
	conformance/pages/stack.sh $(HEADGATE) .cache/pages $(ARGS)

conformance: ## prove from the outside that a stack does what FAPI 2.0 and FDX ask; reports in .cache/conformance
	@deploy/services.sh postgres redis
	$(BUILD_HEADGATE)
	@mkdir -p .cache/conformance
	$(HEADGATE) conformance run --html .cache/conformance/report.html --junit .cache/conformance/report.xml --json .cache/conformance/report.json $(ARGS)

broken: ## prove the prover: each fault of conformance/broken is found by the cases that it names, and by no others
	@deploy/services.sh postgres redis
	$(GO) run $(TAGS) ./conformance/broken/build -o .cache/broken ./cmd/headgate
	$(GO) build $(TAGS) -o .cache/bin/matrix ./conformance/broken/matrix
	.cache/bin/matrix -headgate .cache/broken/headgate -report .cache/broken/report.json $(ARGS)

lint: ## gofmt, go vet and staticcheck
	@bad=$$(find . -name '*.go' ! -path './.cache/*' -exec gofmt -l {} +); \
	if [ -n "$$bad" ]; then echo 'make lint: not formatted, run gofmt -w on:' >&2; echo "$$bad" >&2; exit 1; fi
	$(GO) vet $(TAGS) $(PKGS)
	$(GO) -C conformance/tools build -o ../../.cache/bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	.cache/bin/staticcheck $(TAGS) $(PKGS)

vuln: ## look for known vulnerabilities in what we link (VULNDB= for a copy of the database)
	$(GO) -C conformance/tools build -o ../../.cache/bin/govulncheck golang.org/x/vuln/cmd/govulncheck
	.cache/bin/govulncheck $${VULNDB:+-db "$$VULNDB"} $(TAGS) $(PKGS)

generate: ## write generated documents and code anew
	$(GO) generate $(TAGS) ./...

verify: ## check modules, import rules and that generated files are up to date
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GO) test $(TAGS) -count=1 ./internal/archtest
	@deploy/verify-generated.sh

build: ## build the three programs into bin/, static and without paths of this machine
	CGO_ENABLED=0 $(GO) build $(TAGS) -trimpath -o bin/ ./cmd/authzd ./cmd/gatewayd ./cmd/headgate

reproduce: ## build the newest commit twice, apart from each other, and see that the programs are the same
	@GO='$(GO)' deploy/reproduce.sh

services: ## find PostgreSQL and Redis, or install them
	@deploy/services.sh postgres redis

cover: ## run all tests and say how much of the code they reach
	@deploy/services.sh postgres redis
	$(WITH_SERVICES) $(GOTEST) -coverprofile=.cache/cover.out $(PKGS)
	@$(GO) tool cover -func=.cache/cover.out | tail -n 1
	@echo 'line by line: go tool cover -html=.cache/cover.out'

clean: ## delete what was built; keeps .headgate and unpacked services
	rm -rf bin .cache/bin .cache/ci .cache/cover.out

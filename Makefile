# make demo   build authtap, replay a capture, show what it finds
# make test   run all tests, race detector included
# make help   the other targets

SHELL := /bin/bash
.DEFAULT_GOAL := build

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
CAPTURES ?= ../shared/captures
FUZZTIME ?= 60s
CHAOSTIME ?= 3m
SEEDS    ?= 10
DEMO     := testdata/pcaps/demo/in.pcap

.PHONY: build
build: need-build ## bin/authtap
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/authtap ./cmd/authtap

.PHONY: deb
deb: build ## bin/authtap_VERSION_ARCH.deb
	rm -f bin/authtap_*.deb
	deploy/deb '$(VERSION)' bin/authtap bin

.PHONY: demo
demo: build ## replay a capture into an embedded store and show its findings
	@rm -f bin/demo.db bin/demo.db-*
	bin/authtap replay --key-file bin/demo.key --store sqlite:bin/demo.db --format table $(DEMO)
	@echo
	bin/authtap findings --store sqlite:bin/demo.db --verdict accepted --format table

.PHONY: test
test: need-test ## all tests; the first run fetches a ClickHouse engine (178 MB)
	go run ./store/clickhouse/clickhousetest/clickhoused -fetch
	go test -race -timeout 14m ./...

.PHONY: lint
lint: need-build ## go vet, staticcheck, gofmt, build without cgo
	.ci/lint

.PHONY: bench
bench: need-build ## Go benchmarks: bytes a second and allocations
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: need-build ## every fuzz target, FUZZTIME each
	FUZZTIME=$(FUZZTIME) .ci/fuzz

.PHONY: truth
truth: build ## compare what is rebuilt of the captures in CAPTURES with tshark's view
	go run ./cmd/authlab truth $(CAPTURES)

.PHONY: lab
lab: need-build ## write the laboratory's captures, with the truth about them, into bin/lab
	go run ./cmd/authlab lab bin/lab

.PHONY: lab-score
lab-score: build ## show them to authtap, whole and damaged: found, missed, false, wrong verdict
	go run ./cmd/authlab score

.PHONY: load
load: build ## as root: what sniffing 200,000 packets a second costs and loses, with each engine
	go test -run '^$$' -bench Load -benchtime 1x ./capture/live
	go run ./cmd/authlab load $(DEMO)

.PHONY: damage
damage: build ## replay the captures in CAPTURES, and SEEDS damaged copies of each kind
	go run ./cmd/authlab damage -seeds $(SEEDS) $(CAPTURES)

.PHONY: chaos
chaos: need-test ## a replay whose ClickHouse, network and process fail at random, for CHAOSTIME
	go test -timeout 1h -run '^TestChaos$$' -v ./cmd/authtap -chaos $(CHAOSTIME)

.PHONY: bench-queries
bench-queries: need-test ## times of all questions on 10 million findings and 100 million login attempts (20 minutes to an hour, 20 GB)
	nice -n 10 go test -timeout 4h -run '^TestQueries$$' -v ./store/clickhouse -queries 1 -queries.days 90 -queries.runs 3

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

.PHONY: help
help:
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.PHONY: need-build need-test
need-build need-test: need-%:
	@.ci/need $*

# Bare `make` lists the targets.
export CGO_ENABLED := 0
GO ?= go

.DEFAULT_GOAL := help
.PHONY: help build test long big million captions faults race check lint noasm cross fuzz sweep kill generate readers lab-table bench bench-peer bench-page

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build ./lfm
	$(GO) build -trimpath -o lfm ./cmd/lfm

test: ## every test
	$(GO) test ./...

long: ## that nothing grows over 10,000 training steps and 2,000 pictures
	LFM_LONG=1 $(GO) test ./cmd/lfm -run TestLong -count=1 -v

big: ## that 100,000 images cost the memory of 10,000; takes minutes and 1 GiB of disk
	LFM_BIG=1 $(GO) test ./cmd/lfm -run TestLarge -count=1 -timeout 60m -v

million: ## what an image costs, from 1,000 to 1,000,000 of them; takes half an hour and 8 GiB of disk
	LFM_BIG=million $(GO) test ./cmd/lfm -run TestMillion -count=1 -timeout 2h -v

captions: ## what examples/critters/captions.yaml draws of prompts, judged; trains for an hour, or goes on with what is there
	$(GO) run ./cmd/lfm run examples/critters/captions.yaml
	LFM_CAPTIONS=1 $(GO) test ./cmd/lfm -run TestAsked -count=1 -timeout 60m -v

faults: ## every call of a run that changes the disk, broken in every way
	LFM_FAULTS=1 $(GO) test ./cmd/lfm -run TestFaults -count=1 -timeout 30m -v

# What these compute on several threads the other tests of their packages do, too.
NO_RACE := '^Test(Conditions|Likelihood.*|.*Learns|UNet.*)$$'
race: ## the fast tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -short -skip $(NO_RACE) ./artifacts ./pipeline ./internal/checkpoint ./internal/dataset ./internal/disk/... ./internal/latent ./internal/panics ./internal/trace ./internal/engine/... ./internal/train ./stages/...

FUZZTIME ?= 60s
fuzz: ## every fuzz test for FUZZTIME each; what they find is to be committed
	GO=$(GO) .ci/fuzz $(FUZZTIME)

sweep: ## exp and the activations at every float32 number; a quarter of an hour
	LFM_SWEEP=1 $(GO) test ./internal/kernels -run TestWholeRange -count=1 -timeout 2h -v

N ?= 200
SEED ?= 1
kill: ## end lfm run N=200 times at any moment, SEED=1, and compare with a straight run
	$(GO) test ./cmd/lfm -run '^TestKills$$' -count=1 -v -timeout 2h -kills $(N) -kills-seed $(SEED)

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l cmd pipeline artifacts stages crossattn internal)" || { gofmt -l cmd pipeline artifacts stages crossattn internal; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

noasm: ## the build without assembly, and its kernels' tests
	$(GO) vet -tags noasm ./internal/kernels/... ./internal/engine/...
	$(GO) test -tags noasm -short ./internal/kernels/...

# Nothing of it is run, so it is compiled as quickly as can be.
cross: ## vet for the other platforms
	GOOS=darwin GOARCH=arm64 $(GO) vet -gcflags='all=-N -l' ./...
	GOOS=windows GOARCH=amd64 $(GO) vet -gcflags='all=-N -l' ./...

generate: ## assembly regenerates to the same bytes
	cd internal/kernels && rm -f *_amd64.s *_stubs_amd64.go && $(GO) generate . && git diff --exit-code -- .

readers: ## Arrow for JavaScript reads our latent files (needs node and npm)
	dir=$$(mktemp -d) && npm install --silent --prefix "$$dir" apache-arrow && \
	LFM_ARROW_JS="$$dir" $(GO) test ./internal/latent -run TestIndependentReader -count=1 -v; code=$$?; rm -rf "$$dir"; exit $$code

lab-table: build ## the published two-dimensional benchmark, five seeds; an hour or two, but it goes on where it was stopped
	./lfm lab table --keep lab-table.json

bench: build ## time the reference model
	./lfm bench

PEER ?= ../shared/peers/torch_reference.py
PYTHON ?= /usr/bin/python3
bench-peer: build ## the same beside PyTorch, in alternation; PEER=torch_reference.py, ROUNDS="--rounds 5"
	@if $(PYTHON) -c 'import torch' 2>/dev/null && test -f $(PEER); then $(PYTHON) internal/bench/peer.py ./lfm $(PEER) $(ROUNDS); \
	else echo 'skipped: $(PEER) or PyTorch for $(PYTHON) is not there'; fi

bench-page: override ROUNDS += --times 3 --page docs/performance.md
bench-page: bench-peer ## bench-peer, and docs/performance.md written anew; about an hour on an idle machine

check: lint test noasm cross race ## what .ci/run runs, but for the short main job

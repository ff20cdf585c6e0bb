# What there is to do here: `make` lists it. All of it works on a fresh Debian or Ubuntu with Rust, with no other step.

# Where rustup puts cargo, for shells that have not read its env file yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# Where cargo puts the programs that the scripts start.
export BIN_DIR := $(or $(CARGO_TARGET_DIR),target)/debug
# Both programs. With an example beside them cargo chooses the features that `cargo test` chooses, and the dependencies, of which
# the AWS SDK takes minutes, are built once for all targets here.
PROGRAMS := --workspace --bins --example use_tokio_postgres

.DEFAULT_GOAL := help
# One at a time: the jobs share cargo's lock, the processor and, in the demo, the ports.
.NOTPARALLEL:

.PHONY: help
help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/\1@\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS=@ read -r target does; do printf 'make %-13s %s\n' "$$target" "$$does"; done

.PHONY: demo
demo: ## Serve the sandbox's warehouse on 127.0.0.1:5439 until Ctrl-C (DEMO_ONCE=1: log in once and end)
	@scripts/install.sh demo
	cargo build --locked $(PROGRAMS)
	@scripts/demo.sh

.PHONY: test
test: ## Lint, run all tests, and run the demo once
	@$(MAKE) --no-print-directory lint
	ulimit -Sn "$$(ulimit -Hn)" && cargo test --workspace --locked
	@# The tests have built both programs.
	@DEMO_ONCE=1 scripts/demo.sh

.PHONY: soak
soak: ## Let a thousand sessions come and go for ten minutes; memory and files have to come back (SOAK_SECS: how long)
	@scripts/install.sh test
	ulimit -Sn "$$(ulimit -Hn)" && SOAK_SECS=$(or $(SOAK_SECS),600) cargo test --locked --test soak -- --nocapture

.PHONY: drivers
drivers: ## Put each PostgreSQL and Redshift driver through its checks (DOCS=1: write the table into docs/drivers.md)
	@scripts/install.sh drivers
	cargo build --locked $(PROGRAMS)
	@target/drivers/venv/bin/python drivers/test_table.py --quiet
	@target/drivers/venv/bin/python drivers/run.py $(if $(DOCS),--docs)

.PHONY: bench
bench: ## Measure the proxy beside PgBouncer and HAProxy: target/bench/report.md, in 40 minutes (QUICK=1: whether it works)
	@scripts/install.sh bench
	cargo build --release --locked --workspace
	@target/bench-venv/bin/python -c '' 2>/dev/null && python=target/bench-venv/bin/python || python=python3; \
	  BENCH_BIN_DIR=$(or $(CARGO_TARGET_DIR),target)/release $$python bench/bench.py run $(if $(QUICK),--quick)

.PHONY: micro
micro: ## Measure the relay's inner loops, and what following the messages costs: a minute, when all is built
	@scripts/install.sh demo
	cargo bench --locked --features bench --bench relay

.PHONY: scale
scale: ## What 5,000 connections and 20,000 users cost: to start, to check, in memory, at a login
	@scripts/install.sh demo
	cargo build --locked $(PROGRAMS)
	@python3 bench/scale.py $(BIN_DIR)/redshift-iam-proxy

.PHONY: reload-load
reload-load: ## What reloads of 5,000 connections and 20,000 users do to the queries of the time (RELOAD_SECS: how long)
	@scripts/install.sh demo
	cargo build --locked $(PROGRAMS)
	@python3 bench/reload.py --seconds $(or $(RELOAD_SECS),60)

.PHONY: timing
timing: ## Whether response times tell users from unknown names: 2,000 failed logins of each kind, compared (TIMING_TRIES: how many)
	@scripts/install.sh demo
	@# Not optimised: what our own code does differently takes longer, and shows sooner.
	cargo bench --profile dev --locked --bench timing

.PHONY: crowd
crowd: ## How long a good client's login takes among 5,000 bad connections; over a second fails (CROWD_MS: how long)
	@scripts/install.sh test
	ulimit -Sn "$$(ulimit -Hn)" && CROWD_MS=$(or $(CROWD_MS),1000) cargo test --locked --test crowd -- --nocapture

.PHONY: scrape
scrape: ## How long /metrics takes beside 9,000 sessions, and queries with and without scrapes (SCRAPE_CONNECTIONS: how many more)
	@scripts/install.sh test
	ulimit -Sn "$$(ulimit -Hn)" && cargo test --locked --test scrape -- --nocapture

.PHONY: unresolved
unresolved: ## How long logins take beside a thousand clients on a name that does not resolve
	@scripts/install.sh test
	ulimit -Sn "$$(ulimit -Hn)" && cargo test --locked --test it incidents::dns -- --nocapture

.PHONY: stalled-log
stalled-log: ## How long queries take while nobody reads the log, beside a log that is read (STALLED_ROUNDS: how many of each)
	@scripts/install.sh test
	ulimit -Sn "$$(ulimit -Hn)" && STALLED_ROUNDS=$(or $(STALLED_ROUNDS),10) \
	  cargo test --locked --test it log::stalled::queries_are_answered -- --nocapture

.PHONY: vanished
vanished: ## How long peers whose packets vanish hold a session, with the real time-outs: in four minutes (needs root)
	@scripts/install.sh test
	VANISHED=real cargo test --locked --test it vanished::black_hole -- --nocapture

.PHONY: lint
lint: ## rustfmt, clippy, rustdoc, layers of modules, licences and bans of dependencies, without a warning
	@scripts/install.sh test
	cargo fmt --all --check
	scripts/rings.py
	target/cargo-deny/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@# By itself: with this feature, code that only the benchmarks use is not dead.
	cargo clippy --workspace --features bench --bench relay --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

.PHONY: advisories
advisories: ## Known vulnerabilities of the dependencies (needs GitHub, where RustSec's database is)
	@scripts/install.sh test
	target/cargo-deny/bin/cargo-deny --locked check advisories

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: dist
dist: ## Build what is shipped: target/dist/redshift-iam-proxy
	cargo build --profile dist --locked -p redshift-iam-proxy

.PHONY: image-check
image-check: ## Build the container image and try it; without Docker, do what the Dockerfile says in a folder
	@scripts/install.sh demo
	@scripts/image-check.sh

.PHONY: clean-tools
clean-tools: ## Remove what was installed into target/ (not what cargo built)
	rm -rf target/tools target/cargo-deny target/drivers target/demo target/bench-venv

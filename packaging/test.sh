#!/usr/bin/env bash
# The whole check of the project, as CI runs it; called by `make test`.
#
#   packaging/test.sh [ARG…]      ARGs go to `cargo nextest run` (or `cargo test`), e.g. a filter
#
# Sets the machine up if need be, checks format and lints, builds, and runs every test. Live tests
# find the engine in GODOCKER_TEST_DOCKER and the programs in GODOCKER_BIN_DIR. An engine that this
# run started is ended with it; one that ran before is left alone.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

STEPS=6
step=0
announce() {
    step=$((step + 1))
    printf '\n== %s/%s %s (%s s so far)\n' "$step" "$STEPS" "$*" "$SECONDS"
}

announce "set-up: packages, RocksDB"
packaging/setup.sh
source packaging/env.sh

announce "format and lints"
cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- --deny warnings

announce "build"
# Programs and tests in one go: in two, cargo would build shared crates twice, with other features.
cargo build --locked --workspace --bins --tests
export GODOCKER_BIN_DIR=$CARGO_TARGET_DIR/debug

announce "container engine"
ENGINE_STARTED=no
engine=$(packaging/docker.sh start)
eval "$engine"
export DOCKER_HOST GODOCKER_TEST_DOCKER=$DOCKER_HOST
# Runs at the same time share the engine: it is left running while another one uses it.
exec 8>"$GODOCKER_CACHE/.engine-users"
flock --shared 8
if [ "$ENGINE_STARTED" = yes ]; then
    trap 'flock --exclusive --nonblock 8 && packaging/docker.sh stop 2>/dev/null' EXIT
fi

announce "container images"
mapfile -t images < <(packaging/images.sh wanted)
packaging/images.sh "${images[@]}"

announce "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace "$@"
else
    cargo test --locked --workspace --no-fail-fast --lib --bins --tests "$@"
fi

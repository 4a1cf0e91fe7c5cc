#!/usr/bin/env bash
# The whole check of the project, as CI runs it; called by `make test`.
#
#   packaging/test.sh [ARG…]      ARGs go to `cargo nextest run` (or `cargo test`), e.g. a filter
#
# Sets the machine up if need be, checks the format, builds and lints, and runs every test. Live
# tests find the engine in GODOCKER_TEST_DOCKER and the programs in GODOCKER_BIN_DIR. An engine that
# this run started is ended with it; one that ran before is left alone.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

STEPS=5
ENGINE_STARTED=no
names=()
begins=()

announce() {
    names+=("$*")
    begins+=("$SECONDS")
    printf '\n== %s/%s %s (%s s so far)\n' "${#names[@]}" "$STEPS" "$*" "$SECONDS"
}

# Prints how long each step took, and how the last one ended.
sum_up() {
    local at last=$((${#names[@]} - 1)) end
    begins+=("$SECONDS")
    printf '\n== time\n'
    for at in "${!names[@]}"; do
        end=${begins[at + 1]}
        printf '%6s s  %s\n' "$((end - begins[at]))" "${names[at]}"
    done
    printf '%6s s  in all\n\n' "$SECONDS"
    if [ "$1" = 0 ]; then
        echo "make test: everything passed"
    else
        echo "make test: FAILED in \"${names[last]}\" (code $1); why is said above"
    fi
}

# Runs however this ends. An engine that another run still uses is left to that one.
finish() {
    local status=$?
    set +e
    trap '' INT TERM HUP
    if [ "$ENGINE_STARTED" = yes ] && flock --exclusive --nonblock 8; then
        packaging/docker.sh stop
    fi
    sum_up "$status"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

announce "set-up: packages, RocksDB"
packaging/setup.sh
source packaging/env.sh

announce "format, build, lints"
cargo fmt --all --check
# Programs and tests in one go: in two, cargo would build shared crates twice, with other features.
# The tests are run by what built them: to cargo, another compiler makes other programs.
export RUSTC_WORKSPACE_WRAPPER=$PWD/packaging/linted-rustc.sh
cargo build --locked --workspace --all-targets
export GODOCKER_BIN_DIR=$CARGO_TARGET_DIR/debug
# Syncs of the tests would otherwise wait behind gigabytes that the compiler has just written.
sync --file-system "$CARGO_TARGET_DIR"

announce "container engine"
# While this lock is shared, no other run ends the engine.
exec 8>"$GODOCKER_CACHE/.engine-users"
flock --shared 8
engine=$(packaging/docker.sh start)
eval "$engine"
export DOCKER_HOST GODOCKER_TEST_DOCKER=$DOCKER_HOST

announce "container images"
mapfile -t images < <(packaging/images.sh wanted)
packaging/images.sh "${images[@]}"

announce "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --workspace --profile whole --test-threads $((2 * $(nproc))) \
        "$@" 8>&-
else
    cargo test --locked --workspace --no-fail-fast --lib --bins --tests "$@" 8>&-
fi

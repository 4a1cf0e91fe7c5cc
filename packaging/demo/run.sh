#!/usr/bin/env bash
# The demo, from nothing to a table of results: sets this machine up, runs a cluster on it, aligns
# reads of a phage in containers, kills the leading head on the way, and checks from what was really
# written that nothing was lost and nothing ran twice.
#
#   packaging/demo/run.sh [--keep]      --keep: at the end leave the cluster up until Ctrl-C
#
# It may be run again at any time. However it ends, it ends every process and removes every
# container and file of its run; so does the next run for one that could not. What takes time to
# make stays in the cache: packages, RocksDB, build products, the image, the data. Programs are
# built in the development profile: an optimised build takes minutes more, and the demo mostly
# waits for containers.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
export PATH=$PATH:/usr/sbin:/sbin

STEPS=9
# Whom jobs run as whose owner has no ids; see docs/admin.md.
JOB_IDS=65534:65534

step=0
announce() {
    step=$((step + 1))
    printf '\n== %s/%s %s (%s s so far)\n' "$step" "$STEPS" "$*" "$SECONDS"
}
say() { printf "   %s\n" "$@"; }
fail() { printf 'demo: %s\n' "$@" >&2; exit 1; }

# shellcheck source=packaging/demo/cluster.sh
source "$here/cluster.sh"
# shellcheck source=packaging/demo/jobs.sh
source "$here/jobs.sh"

# --- Set-up ---

build() {
    packaging/setup.sh
    # shellcheck source=packaging/env.sh
    source packaging/env.sh
    cargo build --locked --workspace --bins
}

# From here on root is needed: for an image's root file system, for the engine, for jobs' ids.
become_root() {
    [ "$(id -u)" != 0 ] || return 0
    command -v sudo >/dev/null ||
        fail "the rest of the demo needs root, and there is no sudo here; run it as root"
    say "the rest needs root: sudo"
    exec sudo env PATH="$PATH" GODOCKER_CACHE="$GODOCKER_CACHE" \
        CARGO_TARGET_DIR="$CARGO_TARGET_DIR" ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} \
        "$here/run.sh" --built "$@"
}

use_engine() {
    local engine
    # While this lock is shared, nobody else ends an engine that we use.
    exec 8>"$GODOCKER_CACHE/.engine-users"
    flock --shared 8
    engine=$(packaging/docker.sh start)
    eval "$engine"
    export DOCKER_HOST
    say "engine: Docker $(docker version --format '{{.Server.Version}}') at $DOCKER_HOST"
}

# One demo at a time. What an earlier one left behind when it was killed is cleared away first.
claim() {
    local stale
    mkdir -p "$GODOCKER_CACHE/demo"
    exec 9>"$GODOCKER_CACHE/demo/.lock"
    flock --nonblock 9 || fail "another demo runs on this machine; wait for it, or end it"
    use_engine
    for stale in "$GODOCKER_CACHE"/demo/run.*; do
        [ -d "$stale" ] || continue
        say "clearing up after a run that was killed: $stale"
        end_run "$stale" || fail "its processes or containers cannot be ended"
        rm -rf --one-file-system "$stale"
    done
    RUN=$(mktemp --directory "$GODOCKER_CACHE/demo/run.XXXXXX")
    # Jobs reach their data through it, as users of their own.
    chmod 755 "$RUN"
    export GOCTL_CONFIG=$RUN/cluster/goctl.toml
}

# Runs however the demo ends.
clean_up() {
    local status=$? background
    set +e
    trap '' INT TERM HUP
    printf '\n-- clearing up\n'
    mapfile -t background < <(jobs -p)
    [ "${#background[@]}" = 0 ] || kill "${background[@]}" 2>/dev/null
    [ -z "${RUN:-}" ] || put_away "$RUN" "$status"
    if [ "${ENGINE_STARTED:-no}" = yes ] && flock --exclusive --nonblock 8; then
        packaging/docker.sh stop 2>&1 | sed 's/^/   /'
    fi
    exit "$status"
}

# Ends run directory $1 and removes it; of a run that failed (status $2) the logs are kept.
put_away() {
    local failed=$GODOCKER_CACHE/demo/failed
    if end_run "$1"; then
        say "no process and no container of the demo is left"
    else
        say "not everything could be ended; look for it with docker ps and ps"
    fi
    if [ "$2" = 0 ] || [ "$2" -gt 128 ]; then
        rm -rf --one-file-system "$1"
    else
        rm -rf --one-file-system "$1/data" "$failed"
        mv "$1" "$failed"
        say "it failed in step $step; the nodes' logs: $failed/cluster/*.log"
    fi
}

# --- What happens ---

prepare_machine() {
    packaging/images.sh godocker/bowtie2:1 | sed 's/^/   /'
    packaging/demo/data.sh "$RUN/data" | sed 's/^/   /'
    chown -R "$JOB_IDS" "$RUN/data"
}

# What to type next, against this cluster if it stays, else against one of one's own.
next_lines() {
    local keep=$1
    if [ "$keep" = yes ]; then
        printf '   %s\n' "The cluster is up. In another terminal:" "" \
            "export GOCTL_CONFIG=$GOCTL_CONFIG PATH=\$PATH:$(dirname "$GOCTL")"
    else
        printf '   %s\n' "make demo ARGS=--keep        # the same, and the cluster stays up; then:"
    fi
    printf '   %s\n' "goctl nodes" "goctl ps --done" "goctl show $merge_job" \
        "goctl logs ${chunk_job[1]}" \
        "goctl run --image godocker/bowtie2:1 --pull never -- samtools --version" "" \
        "goctl help                   # everything that goctl can do" \
        "make test                    # every test, those with containers included"
}

main() {
    local keep=no built=no argument
    for argument in "$@"; do
        case $argument in
            --keep) keep=yes ;;
            --built) built=yes ;;
            *) fail "usage: packaging/demo/run.sh [--keep]" ;;
        esac
    done
    announce "set-up: packages, RocksDB, goagent and goctl"
    [ "$built" = yes ] || build
    source packaging/env.sh
    become_root "$@"
    GOAGENT=$CARGO_TARGET_DIR/debug/goagent
    GOCTL=$CARGO_TARGET_DIR/debug/goctl
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    announce "container engine, image with bowtie2 and samtools, data"
    claim
    prepare_machine
    announce "a cluster: three heads, two agents, each a process"
    start_cluster
    show nodes
    announce "jobs that prepare: index, chunks"
    prepare
    announce "jobs that align, and the leader is killed while they run"
    align_and_kill
    announce "the rest of the work, under the next leader"
    finish
    announce "was anything lost, did anything run twice?"
    check_jobs
    return_head
    announce "the result"
    result
    announce "try next"
    next_lines "$keep"
    [ "$keep" = no ] || hold
}

# In the background, so that a signal to this script alone ends it, too.
hold() {
    say "" "Ctrl-C ends it."
    sleep infinity &
    wait $!
}

main "$@"

#!/usr/bin/env bash
# Long weather: what `make test` does a few times is done some hundred times here, and some things
# that take too long for it. Called by `make soak`.
#
#   packaging/soak.sh [PART…]       all parts, or those named (see `packaging/soak.sh --list`)
#
# Every part is an ordinary test with larger counts; a count that is set already is kept, e.g.
# `KILLS=5 packaging/soak.sh kills`. A failed part does not stop the others; the end says so.
# Progress is printed; target/soak/PART.log has all that a part said, target/soak/report.txt the
# figures. FROM names what the upgrade begins with: a commit, or a directory with an older goagent.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
source packaging/env.sh

FROM=${FROM:-HEAD~1}
OUT=target/soak
# Between two signs of life.
ALIVE_EVERY=30

# Runs one test of package `tests`: its binary, its name, and variables.
weather() {
    local binary=$1 name=$2
    shift 2
    # As it was built: with one package named, cargo would build others anew, with other features.
    env "$@" cargo test --locked --workspace --test "$binary" -- --nocapture --exact "$name"
}

part_kills() {
    weather weather kills::leaders_killed_and_leaders_told_to_end_lose_nothing \
        KILLS="${KILLS:-200}" HAND_OVERS="${HAND_OVERS:-100}"
}
part_pauses() {
    weather weather pauses::heads_that_stand_still_and_agents_that_die_lose_nothing \
        PAUSES="${PAUSES:-40}" PAUSE_MS="${PAUSE_MS:-30000}" AGENT_KILLS="${AGENT_KILLS:-100}"
}
part_cuts() {
    weather weather partitions::leaders_cut_off_lose_nothing CUTS_ROUNDS="${CUTS_ROUNDS:-10}"
}
part_wind() {
    weather weather wind::bad_lines_lose_nothing \
        SEED="${SEED:-$RANDOM}" GUST_MS="${GUST_MS:-20000}"
}
part_quiet() {
    weather weather \
        quiet::without_a_fault_nobody_is_elected_and_idle_changes_make_no_node_suspect \
        QUIET_SECONDS="${QUIET_SECONDS:-600}" CHANGES="${CHANGES:-100}"
}
part_overload() {
    weather weather overload::overload_is_refused_in_bounded_memory_and_passes \
        OVERLOAD_SECONDS="${OVERLOAD_SECONDS:-60}"
}
part_engine() {
    local engine
    engine=$(packaging/docker.sh start)
    eval "$engine"
    export DOCKER_HOST GODOCKER_TEST_DOCKER=$DOCKER_HOST
    packaging/images.sh godocker/busybox:1
    env HANG_SECONDS="${HANG_SECONDS:-30}" KILLS="${KILLS:-50}" CRASHES="${CRASHES:-10}" \
        cargo test --locked --workspace --test engine -- --nocapture --test-threads 1
}
part_sim() {
    weather sim no_weather_breaks_a_promise_and_every_job_ends SEEDS="${SEEDS:-3000}"
}
part_heads() {
    env SEEDS="${SEEDS:-1000}" cargo test --locked --workspace --lib -- --nocapture \
        --exact tests::sim::no_weather_breaks_what_the_heads_promise
}
part_power() {
    weather power cuts::power_cuts_lose_nothing_that_was_acknowledged CUTS="${CUTS:-100}"
}
part_upgrade() {
    local older=$FROM
    [ -d "$older" ] || older=$(build_older "$FROM")
    weather weather upgrade::a_rolling_upgrade_and_the_way_back_lose_nothing FROM_BIN_DIR="$older"
}

# Builds the programs of commit $1 in a worktree and a target directory of their own; prints where
# they are. Both are kept: the next build is short.
build_older() {
    local tree=$GODOCKER_CACHE/soak-tree target=$GODOCKER_CACHE/target-soak commit
    commit=$(git rev-parse "$1^{commit}")
    git worktree prune
    [ -d "$tree" ] || git worktree add --quiet --detach "$tree" "$commit"
    git -C "$tree" checkout --quiet --force --detach "$commit"
    echo "building $commit" >&2
    CARGO_TARGET_DIR=$target cargo build --locked --quiet \
        --manifest-path "$tree/Cargo.toml" --package agent --bins >&2
    echo "$target/debug"
}

PARTS=(kills pauses cuts wind quiet overload engine sim heads power upgrade)

if [ "${1:-}" = --list ]; then
    printf '%s\n' "${PARTS[@]}"
    exit 0
fi
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=("${PARTS[@]}")
for part in "${wanted[@]}"; do
    declare -F "part_$part" >/dev/null ||
        { echo "soak: there is no part $part; there are: ${PARTS[*]}" >&2; exit 2; }
done

mkdir -p "$OUT"
report=$OUT/report.txt
say() { echo "$*" | tee -a "$report"; }
: >"$report"
say "soak of $(git rev-parse --short HEAD), $(nproc) cores, $(uname -r), begun $(date -u +%FT%TZ)"

echo "== build"
cargo build --locked --workspace --bins --tests
export GODOCKER_BIN_DIR=$CARGO_TARGET_DIR/debug

# Prints a sign of life now and then until it is ended: the part, its time, its last word.
stay_alive() {
    local part=$1 log=$2 begin=$SECONDS
    while sleep "$ALIVE_EVERY"; do
        echo "   $part: $((SECONDS - begin)) s; $(tail -n 1 "$log" | cut -c1-120)"
    done
}

failed=()
alive=
finish() { [ -z "$alive" ] || kill "$alive" 2>/dev/null || true; }
trap finish EXIT
for part in "${wanted[@]}"; do
    log=$OUT/$part.log
    : >"$log"
    say "== $part"
    begin=$SECONDS
    stay_alive "$part" "$log" &
    alive=$!
    # In a shell of its own, so that a failure ends the part and nothing else.
    set +e
    (set -e; "part_$part") >"$log" 2>&1
    status=$?
    set -e
    if [ "$status" = 0 ] && ! grep -q '^running [1-9]' "$log"; then
        echo "there is no such test" >>"$log"
        status=1
    fi
    kill "$alive" 2>/dev/null || true
    wait "$alive" 2>/dev/null || true
    alive=
    { grep -oE 'weather: .*' "$log" || true; } | sed 's/^weather: /   /' | tee -a "$report"
    if [ "$status" = 0 ]; then
        say "   passed in $((SECONDS - begin)) s"
    else
        failed+=("$part")
        say "   FAILED (code $status) after $((SECONDS - begin)) s; all it said: $log"
        tail -n 15 "$log" | sed 's/^/   | /' | tee -a "$report"
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    say "soak: FAILED: ${failed[*]}; figures in $report"
    exit 1
fi
say "soak: every part passed; figures in $report"

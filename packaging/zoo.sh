#!/usr/bin/env bash
# The bug zoo: puts known bugs back, one at a time, and insists that the tests find each of them.
#
#   packaging/zoo.sh [NAME…]      all of tests/zoo/*.patch, or those named
#
# Each patch says in its head what is wrong, and then
#   layer: PACKAGE TARGET [FILTER]   the tests that have to find it (TARGET `lib`: unit tests)
#   caught by: REGEX                 the message by which they have to
# Works on a copy of what is committed, in a worktree that is removed afterwards, always at the same
# place and with a target directory of its own that is kept: so each bug costs only what it changes.
# Cargo knows sources by their path in the workspace and their age; a shared target directory would
# leave a bug behind for the next build.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
source packaging/env.sh
export CARGO_TARGET_DIR=${ZOO_TARGET_DIR:-$GODOCKER_CACHE/target-zoo}
# What a layer may take before it counts as having missed the bug.
LAYER_SECONDS=${ZOO_LAYER_SECONDS:-120}

home=$PWD
scratch=$(mktemp -d)
tree=$GODOCKER_CACHE/zoo-tree
remove_tree() {
    git -C "$home" worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"
    git -C "$home" worktree prune
}
finish() {
    remove_tree
    rm -rf "$scratch"
}
mkdir -p "$GODOCKER_CACHE"
exec 9>"$GODOCKER_CACHE/.zoo"
if ! flock --nonblock 9; then
    echo "another run is in the zoo" >&2
    exit 1
fi
trap finish EXIT
# One that was killed may have left its own.
remove_tree
git worktree add --quiet --detach "$tree" HEAD
cd "$tree"
# Whatever an earlier run has built is older than this copy.
find . -name '*.rs' -not -path './.git/*' -exec touch {} +

# field NAME PATCH: a line of its head.
field() {
    sed -n "s/^$1: //p" "$2" | head -n 1
}

# row BUG LAYER SECONDS MESSAGE
row() {
    printf '%-34s | %-44s | %11s | %s\n' "$@"
}

# Prints which seconds and message caught the bug of a patch; fails if nothing did.
try_bug() {
    local name=$1 patch=$2 package target filter expected log begin took found
    read -r package target filter <<<"$(field layer "$patch")"
    expected=$(field 'caught by' "$patch")
    log=$scratch/$name.log
    local kind=(--test "$target")
    if [ "$target" = lib ]; then
        kind=(--lib)
    fi
    if ! cargo test --quiet --locked --package "$package" "${kind[@]}" --no-run >"$log" 2>&1; then
        row "$name" "$package $target" - "DOES NOT COMPILE: $(grep -m 1 '^error' "$log")"
        return 1
    fi
    begin=$SECONDS
    if timeout --kill-after 5 "$LAYER_SECONDS" cargo test --quiet --locked --package "$package" \
        "${kind[@]}" -- ${filter:+"$filter"} >"$log" 2>&1; then
        row "$name" "$package $target $filter" - "MISSED: the tests pass"
        return 1
    fi
    took=$((SECONDS - begin))
    if ! found=$(grep --max-count 1 --extended-regexp -- "$expected" "$log"); then
        row "$name" "$package $target $filter" - "MISSED: they fail otherwise than by \"$expected\""
        grep -E 'seed|I[0-9]+:|panicked|error' "$log" | cut -c1-300 | head -5
        return 1
    fi
    found=${found#"${found%%[! ]*}"}
    row "$name" "$package $target ${filter##*::}" "$took" "${found:0:110}"
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    names=(tests/zoo/*.patch)
fi
row bug layer 'caught in s' message
caught=0 missed=0
for name in "${names[@]}"; do
    name=$(basename "$name" .patch)
    patch=$tree/tests/zoo/$name.patch
    patch --quiet --strip 1 --input "$patch"
    if try_bug "$name" "$patch"; then
        caught=$((caught + 1))
    else
        missed=$((missed + 1))
    fi
    patch --quiet --strip 1 --reverse --input "$patch"
done
echo "$caught of $((caught + missed)) bugs caught in $SECONDS s"
[ "$missed" -eq 0 ]

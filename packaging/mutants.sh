#!/usr/bin/env bash
# Puts known bugs back, one at a time, and insists that the simulation finds each of them.
#
#   packaging/mutants.sh [NAME…]      all of tests/mutants/*.patch, or those named
#
# Works on a copy of what is committed, in a worktree that is removed afterwards, with a target
# directory of its own: cargo knows sources by their path in the workspace and their age, so that
# a shared one would leave a mutant behind for the next build. The line `caught by:` of a patch is
# a regular expression for the message by which it has to be found.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
source packaging/env.sh
export CARGO_TARGET_DIR=${MUTANTS_TARGET_DIR:-$GODOCKER_CACHE/target-mutants}

home=$PWD
scratch=$(mktemp -d)
tree=$scratch/tree
finish() {
    git -C "$home" worktree remove --force "$tree" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT
git worktree add --quiet --detach "$tree" HEAD
cd "$tree"
# Whatever an earlier run has built is older than this copy.
find . -name '*.rs' -not -path './.git/*' -exec touch {} +

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    names=(tests/mutants/*.patch)
fi
missed=0
for name in "${names[@]}"; do
    name=$(basename "$name" .patch)
    patch=$tree/tests/mutants/$name.patch
    expected=$(sed -n 's/^caught by: //p' "$patch")
    log=$scratch/$name.log
    patch --quiet --strip 1 --input "$patch"
    # A mutant that does not compile proves nothing.
    cargo test --quiet --locked --package tests --test sim --no-run
    begin=$SECONDS
    if cargo test --quiet --locked --package tests --test sim >"$log" 2>&1; then
        echo "MISSED  $name: the simulation passes"
        missed=1
    elif grep --quiet --extended-regexp "$expected" "$log"; then
        found=$(grep --max-count 1 --extended-regexp "$expected" "$log" | cut -c1-150)
        echo "caught  $name in $((SECONDS - begin)) s: $found"
    else
        echo "MISSED  $name: it fails otherwise than by \"$expected\":"
        grep -E 'seed|I[0-9]+:|panicked' "$log" | cut -c1-300 | head -5
        missed=1
    fi
    patch --quiet --strip 1 --reverse --input "$patch"
done
exit "$missed"

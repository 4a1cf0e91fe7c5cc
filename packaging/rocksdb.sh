#!/usr/bin/env bash
# Builds librocksdb.a once and keeps it in the cache, outside the clone.
#
# The crate librocksdb-sys compiles some 340 files one by one; nearly all of that time goes into
# reading the same headers again. Here the same sources (those of the exact version in Cargo.lock)
# are compiled as a few large units: about two minutes on two cores. Safe to run at any time and
# from several clones at once: it takes a lock, builds beside the target and renames.
#
#   packaging/rocksdb.sh          build if absent
#   packaging/rocksdb.sh path     print the directory, built or not
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "$0")/env.sh"

UNITS=8

say() { printf 'rocksdb: %s\n' "$*"; }
fail() { printf 'rocksdb: %s\n' "$*" >&2; exit 1; }

# Prints the source directory of crate $1 as cargo resolved it.
crate_dir() {
    local manifest
    manifest=$(grep -o "\"manifest_path\":\"[^\"]*/$1-[0-9][^\"]*/Cargo.toml\"" <<<"$metadata" |
        head -n 1 | cut -d'"' -f4)
    [ -n "$manifest" ] || fail "cargo knows no crate $1; is Cargo.lock complete?"
    dirname "$manifest"
}

# Writes unit-NN.cc files, each including its share of the sources.
write_units() {
    local total per
    grep -v -e '^ *$' -e 'util/build_version.cc' "$source_dir/rocksdb_lib_sources.txt" |
        tr -d ' \r' >sources
    total=$(wc -l <sources)
    per=$(((total + UNITS - 1) / UNITS))
    split --lines="$per" --numeric-suffixes=1 --additional-suffix=.list sources unit-
    for list in unit-*.list; do
        sed 's|.*|#include "&"|' "$list" >"${list%.list}.cc"
    done
    echo '#include "build_version.cc"' >version.cc
    say "$total source files in $UNITS units, $jobs at a time"
}

# Compiles unit $1. A unit whose files do not go together is compiled file by file.
compile_unit() {
    local unit=$1 began=$SECONDS file
    if "$CXX" "${flags[@]}" -c "$unit.cc" -o "$unit.o" 2>"$unit.err"; then
        say "  $unit done in $((SECONDS - began)) s"
        return
    fi
    [ -f "$unit.list" ] || { tail -n 20 "$unit.err" >&2; return 1; }
    say "  $unit does not compile as one unit; compiling its files one by one"
    mkdir -p "$unit"
    while read -r file; do
        "$CXX" "${flags[@]}" -c "$source_dir/rocksdb/$file" \
            -o "$unit/$unit-$(tr '/' '-' <<<"${file%.cc}").o" || return 1
    done <"$unit.list"
}

# Runs compile_unit over all units, at most $jobs at once; stops at the first failure.
compile_all() {
    local unit
    for unit in version $(basename --suffix=.cc unit-*.cc); do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
            wait -n || fail "compilation failed (messages above)"
        done
        compile_unit "$unit" &
    done
    while [ "$(jobs -p | wc -l)" -gt 0 ]; do
        wait -n || fail "compilation failed (messages above)"
        jobs >/dev/null
    done
}

main() {
    local target began=$SECONDS host
    target=$(_godocker_rocksdb_dir)
    [ "${1:-}" != path ] || { echo "$target"; return; }
    mkdir -p "$GODOCKER_CACHE"
    exec 9>"$GODOCKER_CACHE/.rocksdb.lock"
    flock --nonblock 9 || { say "another build is running; waiting for it"; flock 9; }
    rm -rf "$GODOCKER_CACHE"/.rocksdb-building.*
    if [ -f "$target/librocksdb.a" ]; then
        say "present: $target"
        return
    fi

    CXX=${CXX:-g++}
    command -v "$CXX" >/dev/null || fail "no $CXX here: run packaging/setup.sh, or install g++"
    jobs=$(nproc)
    host=$(rustc -vV | sed -n 's/^host: //p')
    say "fetching sources (cargo fetch)"
    cd "$_godocker_here/.."
    cargo fetch --target "$host"
    metadata=$(cargo metadata --format-version 1 --filter-platform "$host")
    source_dir=$(crate_dir librocksdb-sys)
    mapfile -t flags < <(_godocker_rocksdb_flags)
    flags+=("-I$source_dir/rocksdb/include" "-I$source_dir/rocksdb" "-I$source_dir")
    flags+=("-I$(crate_dir lz4-sys)/liblz4/lib" "-I$(crate_dir zstd-sys)/zstd/lib")

    building=$(mktemp -d "$GODOCKER_CACHE/.rocksdb-building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    cd "$building"
    say "building $(basename "$target") (once; about two minutes on two cores)"
    write_units
    compile_all
    mkdir out
    find . -name '*.o' -print0 | sort -z | xargs -0 ar crs out/librocksdb.a
    rm -rf "$target"
    mv out "$target"
    say "built in $((SECONDS - began)) s: $target ($(du -h "$target/librocksdb.a" | cut -f1))"
}

main "$@"

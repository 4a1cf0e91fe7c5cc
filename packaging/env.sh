# shellcheck shell=bash
# Where builds keep their things, and how they find RocksDB.
#
#   source packaging/env.sh        (bash; the Makefile does it before each recipe)
#
# Sets GODOCKER_CACHE (outside the clone, so that a second clone builds fast), CARGO_TARGET_DIR
# unless it is set already, and, once packaging/rocksdb.sh has built the library, ROCKSDB_LIB_DIR
# and ROCKSDB_STATIC. It builds and installs nothing. Without it a plain `cargo build` works too:
# it then compiles RocksDB from the crate's own copy, which takes some ten minutes more.

_godocker_here=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
_godocker_lock=$_godocker_here/../Cargo.lock

_godocker_cache() {
    if [ -n "${GODOCKER_CACHE:-}" ]; then
        echo "$GODOCKER_CACHE"
    elif mkdir -p /var/cache/godocker 2>/dev/null && [ -w /var/cache/godocker ]; then
        echo /var/cache/godocker
    else
        echo "${HOME:?set GODOCKER_CACHE to a directory for build products}/.cache/godocker"
    fi
}

# Prints the version of crate $1 in Cargo.lock.
_godocker_locked() {
    awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/version = |"/, ""); print; exit }' \
        "$_godocker_lock"
}

# Prints the compiler flags for this machine, one per line.
_godocker_rocksdb_flags() {
    sed -n -e '/^#/d' -e "s/^$(uname -m): //p;t" -e '/^[a-z0-9_]*: /d' -e '/./p' \
        "$_godocker_here/rocksdb.flags"
}

# Prints the directory of the library that fits this clone: named by version and flags.
_godocker_rocksdb_dir() {
    local key
    key=$({ uname -m; _godocker_rocksdb_flags; } | sha256sum | cut -c1-10)
    echo "$GODOCKER_CACHE/rocksdb-$(_godocker_locked librocksdb-sys)-$key"
}

GODOCKER_CACHE=$(_godocker_cache)
export GODOCKER_CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$GODOCKER_CACHE/target}
if [ -f "$(_godocker_rocksdb_dir)/librocksdb.a" ]; then
    ROCKSDB_LIB_DIR=$(_godocker_rocksdb_dir)
    export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1
fi

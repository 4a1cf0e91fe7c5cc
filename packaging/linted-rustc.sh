#!/usr/bin/env bash
# The compiler for our own crates in packaging/test.sh (cargo calls it as RUSTC_WORKSPACE_WRAPPER):
# while rustc compiles a crate, clippy reads it. A crate that clippy complains of does not compile.
#
#   packaging/linted-rustc.sh RUSTC [ARG…]
#
# `cargo clippy` says the same, but has every dependency checked once more before it does, which
# takes minutes where nothing is built yet. clippy alone as the compiler would do, were it not that
# it optimises less. Warnings are left to clippy, which repeats those of rustc.
set -euo pipefail

rustc=$1
shift

# cargo also asks what the compiler is.
[[ " $* " == *" --crate-name "* && " $* " != *" --print"* ]] || exec "$rustc" "$@"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Clippy writes metadata that nobody reads, and does not tell cargo of it.
reads=()
out_dir=no
for arg in "$@"; do
    case $out_dir$arg in
    no--out-dir) out_dir=yes ;;
    yes*) arg=$scratch out_dir=no ;;
    no--emit=*) arg=--emit=metadata ;;
    no--json=*) arg=${arg/,artifacts/} ;;
    noincremental=*) arg=incremental=$scratch/incremental ;;
    esac
    reads+=("$arg")
done

clippy-driver "$rustc" "${reads[@]}" --deny warnings >"$scratch/out" 2>"$scratch/complaints" &
"$rustc" "$@" --cap-lints allow || { kill $!; exit 1; }
wait $! || { cat "$scratch/complaints" >&2; exit 1; }

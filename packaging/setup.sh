#!/usr/bin/env bash
# Makes a Debian machine ready to build and test: installs what is missing, then builds RocksDB.
#
# Idempotent: on a machine that has everything it installs nothing and needs neither root nor
# network. Services that apt would start are kept from starting; nothing that runs is stopped.
#
#   packaging/setup.sh            everything `make test` and `make demo` need
#   packaging/setup.sh build      only what compiling needs (no container engine)
#   packaging/setup.sh fuzz       that, and what `make fuzz` needs
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }

has_command() { command -v "$1" >/dev/null; }

# bindgen loads libclang and reads the compiler's own headers through it.
has_libclang() {
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null &&
        compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null
}
has_c_headers() { [ -e /usr/include/stdio.h ]; }
has_static_busybox() { has_command busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1; }
has_keyring() { [ -e /usr/share/keyrings/debian-archive-keyring.gpg ]; }
has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_certificates() { [ -e /etc/ssl/certs/ca-certificates.crt ]; }

# what must hold | Debian package that provides it
BUILD='
has_command gcc            | gcc
has_command g++            | g++
has_c_headers              | libc6-dev
has_command make           | make
has_command pkg-config     | pkg-config
has_command git            | git
has_libclang               | libclang-dev
has_certificates           | ca-certificates
'
ENGINE='
has_command dockerd        | docker.io
has_command docker         | docker.io
has_command containerd     | containerd
has_command runc           | runc
has_command iptables       | iptables
has_command nft            | nftables
has_command ip             | iproute2
has_command unshare        | util-linux
has_command mount          | mount
has_command losetup        | mount
has_command mkfs.ext4      | e2fsprogs
has_command curl           | curl
has_command ps             | procps
has_command jq             | jq
has_command tar            | tar
has_command unzip          | unzip
has_static_busybox         | busybox-static
has_command slapd          | slapd
has_command ldapwhoami     | ldap-utils
has_command sslscan        | sslscan
has_command debootstrap    | debootstrap
has_keyring                | debian-archive-keyring
'

FUZZ='
has_command jq             | jq
has_venv                   | python3-venv
'

# Prints the packages of table $1 whose condition does not hold, each once.
missing() {
    local condition package
    while IFS='|' read -r condition package; do
        [ -n "$condition" ] || continue
        # shellcheck disable=SC2086 # the condition is a function and its argument
        $condition || echo "${package# }"
    done <<<"$1" | awk '!seen[$0]++'
}

# Runs a command as root, through sudo where that is needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Fails with the remedy when packages $@ cannot be installed by us.
check_can_install() {
    has_command apt-get || fail "this machine has no apt-get, and these are missing: $*" \
        "install what your distribution calls them, then run this again"
    [ "$(id -u)" = 0 ] || has_command sudo || fail "missing: $*" \
        "neither root nor sudo here; ask an administrator for:" \
        "  apt-get install --no-install-recommends $*"
}

# Puts a policy-rc.d in place that keeps apt from starting services, unless there is one.
hold_services() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends "$@"
}

# Refreshes the package lists when apt does not know one of the packages $@.
refresh_lists_if_needed() {
    local package
    for package in "$@"; do
        if ! apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
            say "package lists do not know $package: apt-get update"
            as_root apt-get update --quiet || fail "apt-get update failed" \
                "is the network up, and are the mirrors in /etc/apt reachable?"
            return
        fi
    done
}

install_missing() {
    local wanted
    mapfile -t wanted < <(missing "$1")
    [ "${#wanted[@]}" -gt 0 ] || { say "packages: all present"; return 0; }
    say "packages to install: ${wanted[*]}"
    check_can_install "${wanted[@]}"
    hold_services
    refresh_lists_if_needed "${wanted[@]}"
    if ! apt_install "${wanted[@]}"; then
        say "apt-get install failed; once more with fresh lists"
        as_root apt-get update --quiet || true
        apt_install "${wanted[@]}" || fail "could not install: ${wanted[*]}" \
            "apt's own message is above; with a network, run this again"
    fi
    mapfile -t wanted < <(missing "$1")
    [ "${#wanted[@]}" = 0 ] || fail "installed, yet still not found: ${wanted[*]}"
}

# The toolchain is the user's own; it is checked and never installed over.
check_rust() {
    local want have
    has_command cargo || fail "no cargo on PATH" \
        "install Rust with rustup (https://rustup.rs), open a new shell, run this again"
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
    [ -n "$have" ] || fail "rustc does not run here" \
        "with rustup: rustup toolchain install (reads rust-toolchain.toml)"
    [ "$(printf '%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ] ||
        fail "rustc $have is too old, $want is needed" "with rustup: rustup update"
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        fail "rustfmt or clippy is missing" "with rustup: rustup component add rustfmt clippy"
    fi
    say "rust: $have"
}

main() {
    case ${1:-all} in
        all) install_missing "$BUILD$ENGINE" ;;
        build) install_missing "$BUILD" ;;
        fuzz) install_missing "$BUILD$FUZZ" ;;
        *) fail "usage: packaging/setup.sh [build|fuzz]" ;;
    esac
    check_rust
    has_command cargo-nextest || say "cargo-nextest is absent; tests will run with cargo test"
    packaging/rocksdb.sh
}

main "$@"

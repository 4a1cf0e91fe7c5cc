#!/usr/bin/env bash
# Provides the demo's data: the genome of phage lambda and paired reads to align to it.
#
#   packaging/demo/data.sh DIR      writes genome.fa, reads_1.fq, reads_2.fq, and SOURCE (one line)
#
# They come from the Debian package bowtie2-examples, which is unpacked and not installed. Where it
# cannot be had, simulate.awk makes a genome of the same length and reads from it; SOURCE says so.
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "$0")/../env.sh"

PACKAGE=bowtie2-examples
SIMULATED_PAIRS=10000
DEBS=$GODOCKER_CACHE/demo

say() { printf 'data: %s\n' "$*"; }

# Downloads the package into the cache; prints its path, or fails.
package_file() {
    local file
    mkdir -p "$DEBS"
    file=$(find "$DEBS" -name "${PACKAGE}_*.deb" | head -n 1)
    if [ -z "$file" ]; then
        (cd "$DEBS" && { apt-get download --quiet "$PACKAGE" ||
            { apt-get update --quiet && apt-get download --quiet "$PACKAGE"; }; }) \
            >"$DEBS/download.log" 2>&1 || return 1
        file=$(find "$DEBS" -name "${PACKAGE}_*.deb" | head -n 1)
    fi
    [ -n "$file" ] && echo "$file"
}

# Unpacks what is needed of package file $1 into directory $2.
unpack() {
    local file=$1 dir=$2 tree name
    tree=$(mktemp --directory)
    dpkg --extract "$file" "$tree" || return 1
    for name in reference/lambda_virus.fa reads/reads_1.fq reads/reads_2.fq; do
        zcat --force "$tree/usr/share/doc/bowtie2/examples/$name"* >"$dir/$(basename "$name")" ||
            return 1
    done
    mv "$dir/lambda_virus.fa" "$dir/genome.fa"
    rm -rf "$tree"
    echo "phage lambda, from Debian package $(basename "$file" .deb)" >"$dir/SOURCE"
}

simulate() {
    awk -v dir="$1" -v pairs="$SIMULATED_PAIRS" -f "$_godocker_here/demo/simulate.awk"
    echo "SIMULATED genome and reads, because Debian package $PACKAGE could not be had" \
        >"$1/SOURCE"
}

main() {
    local dir=${1:?usage: packaging/demo/data.sh DIR} file
    mkdir -p "$dir"
    if file=$(package_file) && unpack "$file" "$dir"; then
        say "unpacked $PACKAGE"
    else
        say "cannot get $PACKAGE (see $DEBS/download.log); simulating a genome and reads instead"
        simulate "$dir"
    fi
    say "$(cat "$dir/SOURCE")"
    say "genome of $(grep -v '^>' "$dir/genome.fa" | tr -d '\n' | wc -c) bases," \
        "$(($(wc -l <"$dir/reads_1.fq") / 4)) pairs of reads"
}

main "$@"

#!/usr/bin/env bash
# Builds the small container images that tests and the demo use, from Debian packages.
#
#   packaging/images.sh NAME…       NAME: godocker/busybox:1 godocker/debian:12 godocker/bowtie2:1
#   packaging/images.sh list        the names
#   packaging/images.sh wanted      the names that the sources of the tests mention
#
# No registry is asked. Each image is made as a root file system, kept as a tar in the cache, and
# imported into the engine that packaging/docker.sh finds. A digest of the recipe is part of the
# tar's name and is a label of the image: an image made by the same recipe is not made again.
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "$0")/env.sh"
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

LABEL=org.godocker.recipe
SUITE=bookworm
TARS=$GODOCKER_CACHE/images
EVERY_TEST=godocker/busybox:1
NAMES='godocker/busybox:1 godocker/debian:12 godocker/bowtie2:1'
IMAGE_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

say() { printf 'images: %s\n' "$*"; }
fail() { printf 'images: %s\n' "$@" >&2; exit 1; }

# --- Recipes: each fills the directory $1 ---

recipe_busybox() {
    local root=$1
    mkdir -p "$root"/{bin,etc,root,tmp,var,usr/bin,dev,proc,sys}
    chmod 1777 "$root/tmp"
    cp "$(command -v busybox)" "$root/bin/busybox"
    "$root/bin/busybox" --list | grep -vx busybox | while read -r applet; do
        ln -s busybox "$root/bin/$applet"
    done
    ln -s /bin/env "$root/usr/bin/env"
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'job:x:1000:1000:job:/tmp:/bin/sh' \
        'nobody:x:65534:65534:nobody:/tmp:/bin/false' >"$root/etc/passwd"
    printf '%s\n' 'root:x:0:' 'job:x:1000:' 'nogroup:x:65534:' >"$root/etc/group"
}

recipe_debian() {
    local root=$1
    debootstrap --variant=minbase "$SUITE" "$root" "$(mirror)"
    trim "$root"
}

recipe_bowtie2() {
    local root=$1
    tar -xf "$(make_tar godocker/debian:12)" -C "$root"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    in_root "$root" apt-get update --quiet
    in_root "$root" apt-get install --yes --quiet --no-install-recommends bowtie2 samtools
    trim "$root"
}

# --- What recipes use ---

# Prints the Debian mirror that this machine itself uses, else the public one.
mirror() {
    local found
    # shellcheck disable=SC2016 # apt's own placeholders
    found=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 2>/dev/null |
        awk -v suite="$SUITE" '$2 == suite && $3 == "main" { print $1; exit }')
    echo "${found:-http://deb.debian.org/debian}"
}

# Runs a command inside the root file system $1, which must not start services.
in_root() {
    local root=$1
    shift
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    unshare --mount --pid --fork --mount-proc="$root/proc" \
        chroot "$root" env --ignore-environment PATH="$IMAGE_PATH" HOME=/root \
        DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} "$@"
    rm "$root/usr/sbin/policy-rc.d"
}

# Drops what only costs room, and what would differ from one build to the next.
trim() {
    rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* \
        "$1"/var/log/*.log "$1"/var/log/apt "$1"/usr/share/{doc,man,locale,info}/* \
        "$1"/etc/{resolv.conf,hostname} "$1"/var/cache/{debconf/*-old,ldconfig/*}
    mkdir -p "$1/var/lib/apt/lists/partial"
}

# --- Making and importing ---

short() { basename "${1%:*}"; }

# Prints a digest of everything that decides what image $1 holds, its base included.
recipe_digest() {
    {
        declare -f "recipe_$(short "$1")"
        [ "$1" = godocker/busybox:1 ] || declare -f in_root trim
        echo "$SUITE" "$(uname -m)"
        [ "$1" != godocker/busybox:1 ] || sha256sum <"$(command -v busybox)"
        [ "$1" != godocker/bowtie2:1 ] || recipe_digest godocker/debian:12
    } | sha256sum | cut -c1-12
}

# Prints the path of the tar of image $1, making it first if need be.
make_tar() {
    local name=$1 tar root began=$SECONDS
    tar=$TARS/$(short "$name")-$(recipe_digest "$name").tar
    if [ ! -f "$tar" ]; then
        [ "$(id -u)" = 0 ] || fail "making $name needs root (it makes a root file system)"
        say "making $name from Debian packages; log: ${tar%.tar}.log" >&2
        root=$(mktemp --directory "$TARS/.root.XXXXXX")
        chmod 755 "$root"
        # In the background, because inside an `if` the shell would ignore `set -e`.
        "recipe_$(short "$name")" "$root" >"${tar%.tar}.log" 2>&1 &
        if ! wait $!; then
            tail -n 20 "${tar%.tar}.log" >&2
            rm -rf --one-file-system "$root"
            fail "could not make $name (the end of its log is above)" \
                "its packages come from $(mirror): is that reachable?"
        fi
        tar --create --file "$tar.part" --directory "$root" --numeric-owner \
            --sort=name --mtime=@0 .
        rm -rf --one-file-system "$root"
        find "$TARS" -name "$(short "$name")-*.tar" -delete
        mv "$tar.part" "$tar"
        say "made $name in $((SECONDS - began)) s ($(du -h "$tar" | cut -f1))" >&2
    fi
    echo "$tar"
}

engine_has() {
    [ "$(docker image inspect --format "{{index .Config.Labels \"$LABEL\"}}" "$1" 2>/dev/null)" \
        = "$(recipe_digest "$1")" ]
}

provide() {
    local name=$1 tar
    if engine_has "$name"; then
        say "$name: present"
        return
    fi
    tar=$(make_tar "$name")
    docker import --change "LABEL $LABEL=$(recipe_digest "$name")" --change 'CMD ["/bin/sh"]' \
        --change "ENV PATH=$IMAGE_PATH" "$tar" "$name" >/dev/null
    say "$name: imported"
}

# Prints the names of images that tests ask for; making the others would only cost time.
wanted() {
    local name
    for name in $NAMES; do
        if [ "$name" = "$EVERY_TEST" ] || grep -rqF --include='*.rs' --include='*.txt' \
            "$name" "$_godocker_here"/../{agent,api,ctl,raft,tests}; then
            echo "$name"
        fi
    done
}

main() {
    local name socket
    [ "$#" -gt 0 ] || fail "usage: packaging/images.sh NAME… | list | wanted"
    case $1 in
        list) tr ' ' '\n' <<<"$NAMES"; return ;;
        wanted) wanted; return ;;
    esac
    for name in "$@"; do
        [[ " $NAMES " == *" $name "* ]] || fail "unknown image $name; known: $NAMES"
    done
    socket=$("$_godocker_here/docker.sh" socket)
    export DOCKER_HOST=unix://$socket
    command -v docker >/dev/null || fail "no docker client here: run packaging/setup.sh"
    mkdir -p "$TARS"
    exec 9>"$TARS/.lock"
    flock 9
    rm -rf --one-file-system "$TARS"/.root.*
    for name in "$@"; do
        provide "$name"
    done
}

main "$@"

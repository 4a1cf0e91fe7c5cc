#!/usr/bin/env bash
# Finds a container engine, or runs a private one for tests and the demo.
#
#   eval "$(packaging/docker.sh start)"    use an engine that answers, else start a private one
#   packaging/docker.sh status             say which engine answers; exit 1 if none does
#   packaging/docker.sh socket             print its socket
#   packaging/docker.sh stop               end the private engine and its containers, no other
#
# `start` prints DOCKER_HOST=unix://…, and ENGINE_STARTED=yes when this very call started it; what
# is said to people goes to stderr. The private engine keeps everything under the cache directory,
# has a bridge of its own and leaves the firewall alone, so it disturbs no other engine.
set -euo pipefail
shopt -s inherit_errexit
source "$(dirname "$0")/env.sh"
export PATH=$PATH:/usr/sbin:/sbin

HOME_DIR=$GODOCKER_CACHE/docker
SOCKET=$HOME_DIR/docker.sock
PIDFILE=$HOME_DIR/dockerd.pid
LOG=$HOME_DIR/dockerd.log
BRIDGE=godocker0
BRIDGE_NET=172.31.251.1/24
START_SECONDS=60
STOP_SECONDS=30

say() { printf 'engine: %s\n' "$*" >&2; }
fail() { printf 'engine: %s\n' "$@" >&2; exit 1; }

# True when a Docker engine answers on unix socket $1.
answers() {
    [ -S "$1" ] && [ "$(curl --silent --max-time 5 --unix-socket "$1" http://docker/_ping)" = OK ]
}

# Prints the socket of the engine to use: the one that the user named, the system's, ours.
find_socket() {
    local candidate named=${DOCKER_HOST:-}
    for candidate in "${named#unix://}" /var/run/docker.sock "$SOCKET"; do
        if [ -n "$candidate" ] && answers "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Prints the private engine's process id if it is alive; a reused id does not count.
private_pid() {
    local pid
    pid=$(cat "$PIDFILE" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && echo "$pid"
}

make_bridge() {
    ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge || return 1
    ip address show dev "$BRIDGE" | grep -q "inet " ||
        ip address add "$BRIDGE_NET" dev "$BRIDGE" || return 1
    ip link set "$BRIDGE" up
}

# What a crashed engine left in its run-time directory is of use only until the next boot.
drop_stale_state() {
    local boot
    boot=$(</proc/sys/kernel/random/boot_id)
    if [ "$boot" != "$(cat "$HOME_DIR/boot_id" 2>/dev/null)" ]; then
        rm -rf --one-file-system "$HOME_DIR/run"
        echo "$boot" >"$HOME_DIR/boot_id"
    fi
    rm -f "$PIDFILE"
}

launch() {
    local bridge=$BRIDGE
    [ "$(id -u)" = 0 ] || fail "no engine answers, and only root can start one" \
        "start Docker (systemctl start docker), or name one in DOCKER_HOST, or run this as root"
    command -v dockerd >/dev/null || fail "no dockerd here: run packaging/setup.sh"
    mkdir -p "$HOME_DIR"
    drop_stale_state
    make_bridge || { say "cannot make a bridge; containers get no bridge network"; bridge=none; }
    setsid nohup dockerd \
        --host="unix://$SOCKET" --pidfile="$PIDFILE" \
        --data-root="$HOME_DIR/data" --exec-root="$HOME_DIR/run" \
        --bridge="$bridge" --iptables=false --ip6tables=false \
        --ip-masq=false --ip-forward=false --live-restore \
        >"$LOG" 2>&1 8>&- 9>&- </dev/null &
}

# Waits until the engine launched as process $1 answers.
await_engine() {
    local deadline=$((SECONDS + START_SECONDS))
    until answers "$SOCKET"; do
        if ! kill -0 "$1" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 20 "$LOG" >&2
            fail "dockerd did not come up; the end of $LOG is above"
        fi
        sleep 0.1
    done
}

start() {
    local socket
    mkdir -p "$GODOCKER_CACHE"
    exec 9>"$GODOCKER_CACHE/.docker.lock"
    flock 9
    if ! socket=$(find_socket); then
        if private_pid >/dev/null; then
            fail "the private dockerd runs (pid $(private_pid)) but does not answer" \
                "see $LOG, or end it: packaging/docker.sh stop"
        fi
        launch
        await_engine $!
        socket=$SOCKET
        say "started a private dockerd (pid $(private_pid), log $LOG)"
        echo "ENGINE_STARTED=yes"
    fi
    echo "DOCKER_HOST=unix://$socket"
}

status() {
    local socket
    socket=$(find_socket) || { say "none answers"; return 1; }
    if [ "$socket" = "$SOCKET" ]; then
        say "private dockerd, pid $(private_pid), answers on $socket"
    else
        say "an engine that is not ours answers on $socket"
    fi
}

# The engine lets containers outlive it (--live-restore), so they are removed first.
stop() {
    local pid deadline=$((SECONDS + STOP_SECONDS)) containers
    if ! pid=$(private_pid); then
        say "no private dockerd runs"
        return
    fi
    mapfile -t containers < <(docker --host "unix://$SOCKET" ps --all --quiet 2>/dev/null || true)
    [ "${#containers[@]}" = 0 ] ||
        docker --host "unix://$SOCKET" rm --force "${containers[@]}" >/dev/null || true
    kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            say "dockerd ignores SIGTERM; killing it"
            kill -KILL "$pid" || true
        fi
        sleep 0.1
    done
    rm -f "$PIDFILE" "$SOCKET"
    awk -v below="$HOME_DIR/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r |
        xargs --no-run-if-empty umount
    ip link delete "$BRIDGE" 2>/dev/null || true
    say "private dockerd ended"
}

case ${1:-} in
    start | stop | status) "$1" ;;
    socket) find_socket || fail "no engine answers; start one: packaging/docker.sh start" ;;
    *) fail "usage: packaging/docker.sh start|stop|status|socket" ;;
esac

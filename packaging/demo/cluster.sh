# shellcheck shell=bash
# The demo's cluster: three heads and two agents on this machine, found, hurt and ended by process
# id. Sourced by run.sh; all functions speak of the run directory RUN and use GOAGENT and GOCTL.
#
# Ending a run touches only processes named goagent whose command line names that run's directory,
# and only containers labelled with that run's cluster.

START_SECONDS=90
END_SECONDS=20
LEADER_SECONDS=30

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# Prints "N.NN" seconds from $1 to $2, both in microseconds.
seconds_between() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.2f", (to - from) / 1e6 }'; }

# Waits until a command succeeds, $1 seconds at the most. It runs in a subshell, so that what a
# trap of ours says meanwhile is not lost with the command's own words.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until ("$@") >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# --- Starting ---

start_cluster() {
    local deadline=$((SECONDS + START_SECONDS)) dev
    # Of its own session, so that Ctrl-C reaches this script and not the nodes. Agents offer so
    # little that it takes both, that some chunks have to wait, and that a machine of two
    # processors has some of them left for the heads.
    setsid "$GOAGENT" dev --heads 3 --agents 2 --cpus 0.75 --runtime docker \
        --dir "$RUN/cluster" \
        >"$RUN/dev.out" 2>&1 </dev/null 8>&- 9>&- &
    dev=$!
    until (cluster_serves) 2>/dev/null; do
        if ! kill -0 "$dev" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 20 "$RUN/dev.out" "$RUN"/cluster/*.log >&2 || true
            fail "the cluster did not come up; what its nodes said last is above"
        fi
        sleep 0.1
    done
}

cluster_serves() {
    [ -f "$RUN/cluster/cluster.json" ] && [ "$(voters)" = 3 ] && [ "$(agents_up)" = 2 ]
}

voters() { goctl admin raft status -o json | jq '[.members[] | select(.voter)] | length'; }

agents_up() {
    goctl nodes -o json | jq '[.[] | select(.role == "agent" and .health == "up")] | length'
}

# --- Heads ---

# Prints the name of the head that leads; fails while there is none, or if it is head $1.
leader_but() {
    goctl admin raft status -o json 2>/dev/null | jq --exit-status --raw-output --arg not "$1" '
        .leader as $leader | .members[] | select(.node == $leader and .name != $not) | .name'
}

# Prints "NAME MICROSECONDS" once a head other than $1 leads.
watch_for_leader_but() {
    local name deadline=$((SECONDS + LEADER_SECONDS))
    until name=$(leader_but "$1"); do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
    echo "$name $(now_us)"
}

# Prints the process id that the head or agent $1 was started with.
pid_of() {
    jq --exit-status --arg name "$1" '(.heads + .agents)[] | select(.name == $name) | .pid' \
        "$RUN/cluster/cluster.json"
}

# Starts head $1 again, as an administrator would.
restart_head() {
    setsid "$GOAGENT" --config "$RUN/cluster/$1.toml" run \
        2>>"$RUN/cluster/$1.log" >/dev/null </dev/null 8>&- 9>&- &
}

# True when every head is known to hold the whole log.
nobody_lags() {
    goctl admin raft status -o json | jq --exit-status 'all(.members[]; .lag == 0)'
}

# --- Ending ---

# Prints the process ids of the nodes of run directory $1, and of the command that started them.
pids_of_run() {
    local pid
    for pid in $(pgrep --exact goagent || true); do
        # It may end at any moment, so that there is nothing to read.
        if { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF "$1/"; } 2>/dev/null; then
            echo "$pid"
        fi
    done
}

run_is_over() { [ -z "$(pids_of_run "$1")" ]; }

# Sends signal $1 to the processes of run directory $2.
signal_run() {
    local pid
    for pid in $(pids_of_run "$2"); do
        kill "-$1" "$pid" 2>/dev/null || true
    done
}

# Prints the id of run directory $1's cluster; nothing if it never had one.
cluster_of_run() { jq --raw-output .cluster "$1/cluster/head-1/node.json" 2>/dev/null || true; }

# Prints the ids of the containers of cluster $1, running or not.
containers_of() { docker ps --all --quiet --filter "label=godocker.cluster=$1"; }

# Ends the processes of run directory $1, removes its containers, wherever the run stopped, and
# the control groups that they were in; fails if some are left.
end_run() {
    local cluster containers
    signal_run TERM "$1"
    if ! await "$END_SECONDS" run_is_over "$1"; then
        signal_run KILL "$1"
        await "$END_SECONDS" run_is_over "$1" || return 1
    fi
    cluster=$(cluster_of_run "$1")
    [ -n "$cluster" ] || return 0
    containers=$(containers_of "$cluster") || return 1
    # shellcheck disable=SC2086 # one word for each container
    [ -z "$containers" ] || docker rm --force $containers >/dev/null
    find /sys/fs/cgroup -depth -type d -path "*/godocker-${cluster:0:8}*" \
        -exec rmdir {} + 2>/dev/null || true
    containers=$(containers_of "$cluster") && [ -z "$containers" ]
}

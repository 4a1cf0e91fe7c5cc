# shellcheck shell=bash
# The demo's work: which jobs it submits, what it does to the leader meanwhile, and how it checks
# what became of them. Sourced by run.sh; speaks to the cluster only as a user would, with goctl.
# shellcheck disable=SC2154 # `here`, `RUN` and others are run.sh's
#
# What is compared: the ids that were acknowledged, the job table, the lines that the jobs
# themselves wrote when they began, and the number of reads that went in and came out.

CHUNKS=8
EARLY_CHUNKS=6
WANT_RUNNING=3
JOB_SECONDS=300
TAG=lambda

acknowledged=()
chunk_job=()

goctl() { "$GOCTL" "$@"; }

# Shows a goctl command as one would type it, then what it prints.
show() {
    printf '   $ goctl %s\n' "$*"
    goctl "$@" | sed 's/^./     &/'
}

# Submits script $1 under the name $2, with further arguments for it. The acknowledged id is
# remembered, and left in `job`.
submit() {
    local script=$here/$1 name=$2
    shift 2
    job=$(goctl submit --quiet --name "$name" "$script" "$@")
    acknowledged+=("$job")
}

submit_chunk() {
    submit align.sh "align-$1" "$1"
    chunk_job[$1]=$job
}

# Waits until all of these jobs have succeeded; goctl says how each of them ended.
wait_for() {
    goctl wait --timeout "${JOB_SECONDS}s" "$@" 2>&1 | sed 's/^/   /' && return
    goctl ps --done --tag "$TAG" >&2
    fail "not all of these jobs succeeded: $*"
}

# True when enough jobs run; the table that says so is in RUN/running.
enough_run() {
    goctl ps --tag "$TAG" >"$RUN/running"
    [ "$(grep -c ' RUNNING ' "$RUN/running")" -ge "$WANT_RUNNING" ]
}

prepare() {
    say "the volume \`demo\` is a directory of this machine; jobs see it as /data"
    show admin volume set demo --path "$RUN/data" --mount /data --rw
    submit index.sh index
    say "job $job: index the genome"
    submit split.sh split "$CHUNKS"
    say "job $job: cut the reads into $CHUNKS chunks"
    wait_for "${acknowledged[@]}"
}

align_and_kill() {
    local chunk leader pid next seen_at
    for ((chunk = 1; chunk <= EARLY_CHUNKS; chunk++)); do
        submit_chunk "$chunk"
    done
    say "jobs ${chunk_job[1]} to $job: align chunks 1 to $EARLY_CHUNKS"
    leader=$(leader_but nobody)
    pid=$(pid_of "$leader")
    await "$JOB_SECONDS" enough_run || fail "the jobs do not run"
    say "\$ goctl ps --tag $TAG"
    sed 's/^./     &/' "$RUN/running"
    say "$leader leads: kill -9 $pid, and at once submit the next chunk"
    watch_for_leader_but "$leader" >"$RUN/next-leader" &
    killed_at=$(now_us)
    kill -KILL "$pid"
    submit_chunk $((EARLY_CHUNKS + 1))
    say "job $job was acknowledged $(seconds_between "$killed_at" "$(now_us)") s after the kill"
    wait $! || fail "no head took over within $LEADER_SECONDS s"
    read -r next seen_at <"$RUN/next-leader"
    say "$next leads now, seen $(seconds_between "$killed_at" "$seen_at") s after the kill"
    for ((chunk = EARLY_CHUNKS + 2; chunk <= CHUNKS; chunk++)); do
        submit_chunk "$chunk"
        say "job $job was acknowledged: align chunk $chunk"
    done
    killed=$leader
}

finish() {
    wait_for "${chunk_job[@]}"
    submit merge.sh merge
    merge_job=$job
    say "job $job: merge them and sum up"
    wait_for "$job"
}

# --- Checks ---

# Microseconds since 1970 of an RFC 3339 time.
us_of() { date --date "$1" +%s%6N; }

# Writes what the job table says of each acknowledged job to RUN/jobs/ID.json.
fetch_jobs() {
    local id
    mkdir -p "$RUN/jobs"
    for id in "${acknowledged[@]}"; do
        goctl show "$id" -o json >"$RUN/jobs/$id.json" ||
            fail "job $id was acknowledged and is gone"
    done
}

# Prints field $2 (a jq expression) of job $1.
field() { jq --raw-output "$2" "$RUN/jobs/$1.json"; }

check_jobs() {
    local id chunk count alive=0 listed
    fetch_jobs
    for id in "${acknowledged[@]}"; do
        [ "$(field "$id" .state)" = succeeded ] || fail "job $id is $(field "$id" .state)"
        [ "$(field "$id" '.attempts | length')" = 1 ] || fail "job $id was tried more than once"
    done
    show ps --done --tag "$TAG"
    for ((chunk = 1; chunk <= CHUNKS; chunk++)); do
        id=${chunk_job[chunk]}
        count=$(grep -c "^$id " "$RUN/data/starts" || true)
        [ "$count" = 1 ] || fail "job $id began $count times"
        if [ "$(us_of "$(field "$id" .started_at)")" -lt "$killed_at" ] &&
            [ "$(us_of "$(field "$id" .ended_at)")" -gt "$killed_at" ]; then
            alive=$((alive + 1))
        fi
    done
    listed=$(goctl ps --done --everybody --limit 0 -o name | wc -l)
    [ "$listed" = "${#acknowledged[@]}" ] ||
        fail "${#acknowledged[@]} jobs were acknowledged, but the table has $listed"
    say "$listed jobs were acknowledged, $listed are in the table, each succeeded in its one attempt"
    say "$alive of them ran when $killed was killed, and went on; each chunk was begun once"
    [ "$alive" -gt 0 ] || fail "no job ran at the moment of the kill; nothing was shown"
}

return_head() {
    restart_head "$killed"
    await "$START_SECONDS" nobody_lags || fail "$killed was started again and did not catch up"
    say "$killed was started again and has the whole log; $(leader_but nobody) leads"
    show admin raft status
}

# --- The table ---

result() {
    local chunk id file given counted
    mkdir -p "$RUN/printed"
    for ((chunk = 1; chunk <= CHUNKS; chunk++)); do
        id=${chunk_job[chunk]}
        file=$(printf '%02d' "$chunk"),$chunk,$id,$(field "$id" .node)
        goctl logs --stdout "$id" >"$RUN/printed/$file"
    done
    goctl logs --stdout "$merge_job" >"$RUN/printed/99,all,$merge_job,$(field "$merge_job" .node)"
    say "$(cat "$RUN/data/SOURCE")"
    say "depth: mean number of reads over a base; breadth: bases of the genome that a read covers" ""
    awk -f "$here/table.awk" "$RUN"/printed/* | sed 's/^/   /'
    say ""
    given=$(($(cat "$RUN"/data/reads_?.fq | wc -l) / 4))
    counted=$(awk -F '\t' '$3 == "primary" { print $1 }' "$RUN"/printed/99,*)
    [ "$given" = "$counted" ] || fail "$given reads went in, $counted came out"
    say "$given reads went in, and $counted are in all.bam"
}

#!/usr/bin/env bash
# A third-party client that tries everything: schemathesis reads the description of the REST API
# from a real cluster and calls every operation with what the description allows and with what it
# does not, as two users. Called by `make fuzz`.
#
#   packaging/fuzz.sh [EXAMPLES]     calls per operation and phase (default 20)
#
# Nothing may come back that the description does not tell: no status, no form, no server error, and
# no answer to who has no token. The operations that stream without end, or end the session that
# asks, are left out; tests of our own have them.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
source packaging/env.sh

VERSION=4.32.5
EXAMPLES=${1:-20}
SEED=${SEED:-7}
CHECKS=not_a_server_error,status_code_conformance,response_schema_conformance
CHECKS+=,content_type_conformance,ignored_auth
LEFT_OUT='events|/wait|/logs|raft/transfer|heads|logout|rotate'

say() { printf 'fuzz: %s\n' "$*"; }

venv=$GODOCKER_CACHE/schemathesis-$VERSION
if [ ! -x "$venv/bin/schemathesis" ]; then
    say "installing schemathesis $VERSION from PyPI into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "schemathesis==$VERSION"
fi

cargo build --locked --workspace --bins
bin=$CARGO_TARGET_DIR/debug
dir=$(mktemp -d)
"$bin/goagent" dev --heads 3 --agents 1 --runtime fake --dir "$dir/cluster" >"$dir/out" 2>&1 &
cluster=$!
finish() {
    kill "$cluster" 2>/dev/null || true
    wait "$cluster" 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
export GOCTL_CONFIG=$dir/cluster/goctl.toml
say "waiting for the cluster"
until "$bin/goctl" nodes >/dev/null 2>&1; do
    kill -0 "$cluster" 2>/dev/null || { cat "$dir/out"; exit 1; }
    sleep 0.2
done
url=https://$(sed -n 's/^api_listen = "\(.*\)"/\1/p' "$dir/cluster/head-1.toml")
ca=$dir/cluster/head-1/tls/ca.crt

# Makes user $1 with role $2 and id $3, logs in, and prints a token.
token_of() {
    local once own="$dir/$1.toml"
    once=$("$bin/goctl" admin user create "$1" --role "$2" --uid "$3" --gid "$3" -q)
    printf '%s\nquite-long-enough\n' "$once" | GOCTL_CONFIG=$own "$bin/goctl" login "$url" \
        --user "$1" --ca-file "$ca" --password-stdin -q >&2
    GOCTL_CONFIG=$own "$bin/goctl" token create -q
}

failed=()
for who in alice:user:2001 olga:operator:2002; do
    IFS=: read -r name role id <<<"$who"
    token=$(token_of "$name" "$role" "$id")
    say "as $name ($role), seed $SEED"
    "$venv/bin/schemathesis" run "$url/api/v1/openapi.json" --url "$url" \
        --tls-verify "$ca" \
        --header "Authorization: Bearer $token" --checks "$CHECKS" --seed "$SEED" \
        --max-examples "$EXAMPLES" --phases examples,coverage,fuzzing,stateful \
        --exclude-path-regex "$LEFT_OUT" --request-timeout 20 || failed+=("$name")
done
kill -0 "$cluster" || { say "the cluster ended"; exit 1; }
if grep -l panicked "$dir"/cluster/*.log; then
    say "a node panicked"
    exit 1
fi
[ ${#failed[@]} = 0 ] || { say "failures as: ${failed[*]}"; exit 1; }
say "nothing was answered that the description does not tell"

#!/usr/bin/env bash
# Holds a running master against the API that it describes: schemathesis sends
# what /openapi.json allows and what it does not, and every answer must be one
# that is described.
#
#   scripts/schemathesis.sh [--full]
#
# 25 examples for each operation; with --full 200. Exit codes: 1, the API and
# its description differ; 3, the tool is not to be had (PyPI does not answer).

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Longest that something may take to be ready, in tenths of a second.
READY_LOOKS=300

examples=25
order=(--generation-deterministic)
while [ $# -gt 0 ]; do
    case "$1" in
        --full)
            examples=200
            # Other examples each time: what they find stands in the report with its seed.
            order=(--generation-database none)
            ;;
        *) die "unknown option '$1'" "see the head of $0" ;;
    esac
    shift
done
command -v python3 >/dev/null || die "python3 is needed for schemathesis" "install your system's package python3"

# All of it is pinned: a new version brings new checks, which are to be met knowingly.
pins=scripts/schemathesis.txt
home=$target_dir/schemathesis
packages=$home/$(sha256sum "$pins" | cut -c1-16)
if [ ! -f "$packages/complete" ]; then
    say "schemathesis"
    rm -rf "$packages"
    mkdir -p "$packages"
    # A virtual environment where Python can make one, else a folder of its own.
    if python3 -m venv "$packages/venv" >/dev/null 2>&1; then
        install=("$packages/venv/bin/python" -m pip install)
    else
        rm -rf "$packages/venv"
        install=(python3 -m pip install --target "$packages/lib")
    fi
    if ! "${install[@]}" --quiet --disable-pip-version-check --requirement "$pins" >"$home/pip.log" 2>&1; then
        tail -n 5 "$home/pip.log" >&2
        die "schemathesis cannot be installed" "PyPI (or the index that pip is configured for) must answer"
    fi
    touch "$packages/complete"
fi
if [ -x "$packages/venv/bin/python" ]; then
    python=("$packages/venv/bin/python")
else
    python=(env "PYTHONPATH=$packages/lib" python3)
fi

say "build of the master"
cargo build --quiet --package enclos --bins --example answering-agent

# Waits until a line of a log has this in it, and prints what stands behind.
look_for() {
    local log=$1 before=$2 found looks=0
    until found=$(grep -oE "$before[^ ]+" "$log" 2>/dev/null); do
        looks=$((looks + 1))
        if [ $looks -gt $READY_LOOKS ]; then
            cat "$log" >&2
            printf 'error: not in its log within %s s: %s\n' $((READY_LOOKS / 10)) "$before" >&2
            return 1
        fi
        sleep 0.1
    done
    head -n 1 <<<"${found#"$before"}"
}

data=$(mktemp -d)
started=()
finish() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$data"
}
trap finish EXIT
ENCLOS_JOIN_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
export ENCLOS_JOIN_TOKEN NO_COLOR=1
"$target_dir/debug/enclos" master --bind 127.0.0.1:0 --link-bind 127.0.0.1:0 --data-dir "$data/data" --callbacks off \
    >"$data/log" 2>&1 </dev/null &
started+=($!)
url=http://$(look_for "$data/log" 'http=')
link=$(look_for "$data/log" 'link=')
"$target_dir/debug/examples/answering-agent" "$link" answering >"$data/agent.log" 2>&1 </dev/null &
started+=($!)
answering=$!
look_for "$data/log" 'connected agent=' >/dev/null

say "schemathesis: $examples examples for each operation"
status=0
# It leaves a folder where it stands.
cd "$home"
"${python[@]}" -m schemathesis.cli --config-file "$root/scripts/schemathesis.toml" run --max-examples "$examples" \
    "${order[@]}" --no-color --url "$url" "$url/openapi.json" || status=$?
if grep -E ' (ERROR|panicked)' "$data/log"; then
    printf 'error: the master logged errors\n' >&2
    status=1
fi
# Without it every wait for a job would be one for its whole time, and no answer one of a finished job.
if ! kill -0 "$answering" 2>/dev/null; then
    cat "$data/agent.log" >&2
    grep 'connection ended' "$data/log" >&2 || true
    printf 'error: the agent that answers has ended\n' >&2
    status=1
fi
[ "$status" -eq 0 ] || status=1
exit "$status"

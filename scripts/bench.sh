#!/usr/bin/env bash
# Builds everything for speed and measures. Arguments go to the bench program
# ("jobs --count 10" needs a running master); without any, all of it is run,
# with a cluster of its own for the jobs.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
cargo build --release --package enclos --package enclos-agent --package enclos-bench
programs=$target_dir/release
"$programs/enclos-agent" images build gcc openjdk python
if [ $# -gt 0 ]; then
    exec "$programs/enclos-bench" "$@"
fi

"$programs/enclos-bench" floor
echo
"$programs/enclos-bench" cells
echo

bind=127.0.0.1:7390
data=$(mktemp -d)
"$programs/enclos" up --no-demo --bind "$bind" --link-bind 127.0.0.1:7391 --data-dir "$data" >"$data/up.log" 2>&1 &
cluster=$!
trap 'kill -INT "$cluster" 2>/dev/null; wait "$cluster" || true; rm -rf "$data"' EXIT
deadline=$((SECONDS + 120))
until grep -q '^Ctrl-C ends' "$data/up.log"; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$cluster" 2>/dev/null; then
        cat "$data/up.log" >&2
        die "the cluster for the measurement did not start"
    fi
    sleep 0.5
done
"$programs/enclos-bench" jobs --url "http://$bind"
echo
"$programs/enclos-bench" cases --url "http://$bind"
echo
# Last: from here on the master wants keys.
"$programs/enclos-bench" tenants --url "http://$bind" --data-dir "$data"

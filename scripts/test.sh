#!/usr/bin/env bash
# Sets up, makes the images that the tests need while they compile, holds the API against its
# description, tries the page in a browser, runs the fuzz targets for some seconds each, runs the tests,
# and looks whether anything of ours is left behind. The runner's summary comes last.
#
#   scripts/test.sh [--full] [--lint] [arguments of `cargo nextest run`]
#
# --full also runs the long tests, for which it sets up gVisor; --lint looks at formatting first and at
# clippy while the images are made.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

runner=(--workspace)
lint=
full=
setup=test
while [ $# -gt 0 ]; do
    case "$1" in
        --full)
            runner+=(--profile full --run-ignored all)
            full=--full
            setup=gvisor
            ;;
        --lint) lint=yes ;;
        *) break ;;
    esac
    shift
done
runner+=("$@")

# One build from nothing needs no memory of the last one, which is as large as the rest.
if [ -n "${CI:-}" ]; then export CARGO_INCREMENTAL=0; fi

disk_left() { note "$(df -Ph "$root" | awk 'NR==2 { print $4 " of " $2 " are free on disk" }')"; }

if [ -n "$lint" ]; then
    say "formatting"
    cargo fmt --all --check
fi

scripts/setup.sh "$setup"
disk_left

say "build of the programs"
cargo build --workspace --bins
load_apparmor_profile "$target_dir/debug/enclos-agent"

# Those of which every run has tests (tests/it/smoke); --full makes the others on first use, as users do.
images=(gcc node openjdk python scripting)

images_log=$target_dir/images.log
say "images, in the background (log: $images_log)"
"$target_dir/debug/enclos-agent" images build "${images[@]}" </dev/null >"$images_log" 2>&1 &
building=$!
# Nothing goes on building when this ends early.
trap 'kill "$building" 2>/dev/null || true' EXIT

if [ -n "$lint" ]; then
    say "clippy"
    cargo clippy --workspace --all-targets -- -D warnings
fi

say "build of the tests"
cargo nextest run "${runner[@]}" --no-run
if grep -rqE '^\s*//[/!] ```$' --include='*.rs' protocol/src images/src worker-agent/src src; then
    say "examples in the documentation"
    cargo test --doc --workspace --quiet
fi

say "waits for the images"
if wait "$building"; then
    tail -n 6 "$images_log"
else
    cat "$images_log"
    printf 'error: the images could not be made\n' >&2
    exit 1
fi
trap - EXIT

# For the tests that run them as pods; --full makes them twice, and they must be the same bytes.
scripts/containers.sh --built ${full:+--check}

scripts/schemathesis.sh ${full:+"$full"}
scripts/page.sh
scripts/fuzz.sh
# Nothing else needs what the sanitizers built, and a new machine is not used for it again.
if [ -n "${CI:-}" ]; then rm -rf fuzz/target; fi

say "tests"
disk_left
containers_before=$(our_containers)
processes_before=$(our_processes)
tests_log=$target_dir/tests.log
status=0
cargo nextest run "${runner[@]}" </dev/null 2>&1 | tee "$tests_log" || status=$?

if [ "$status" -eq 0 ]; then
    # Namespaces and mounts are root's.
    if [ "$(id -u)" -eq 0 ]; then scripts/faults.sh --built || status=1; else note "faults are NOT tried: only root may"; fi
fi

left=$(comm -13 <(echo "$containers_before") <(our_containers))
if [ -n "$left" ]; then
    printf 'error: containers were left behind: %s\n' "$(tr '\n' ' ' <<<"$left")" >&2
    [ "$status" -ne 0 ] || status=1
fi
left=$(comm -13 <(echo "$processes_before") <(our_processes))
if [ -n "$left" ]; then
    printf 'error: processes were left behind: %s\n' "$(tr '\n' ' ' <<<"$left")" >&2
    [ "$status" -ne 0 ] || status=1
fi
if [ "$status" -eq 0 ]; then say "nothing of ours is left behind"; fi

# The runner's own last words again, so that they end the log.
sed -n '/^ *Summary \[/,$p' "$tests_log"
exit "$status"

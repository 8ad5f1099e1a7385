#!/usr/bin/env bash
# Builds the fuzz targets with sanitizers and runs each for a while.
#
#   scripts/fuzz.sh [--seconds N] [--keep] [target…]
#
# Each target runs for N seconds (default: 5), from its corpus in fuzz/corpus.
# --keep adds what was found to the corpus, minimised. docs/FUZZING.md says
# what the targets are. Exit code 1: a target failed; the input that made it
# fail is in fuzz/artifacts.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Of cargo-fuzz; the targets themselves are pinned by fuzz/Cargo.lock.
VERSION=0.13.2
# Files of a target's corpus, and bytes of all of them together.
CORPUS_FILES_MAX=200
CORPUS_BYTES_MAX=$((1024 * 1024))
# Longest input that is tried, in bytes.
INPUT_BYTES_MAX=16384

seconds=5
keep=
targets=()
while [ $# -gt 0 ]; do
    case "$1" in
        --seconds)
            [ $# -gt 1 ] || die "--seconds needs a number"
            seconds=$2
            shift
            ;;
        --keep) keep=yes ;;
        -*) die "unknown option '$1'" "see the head of $0" ;;
        *) targets+=("$1") ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || targets=(frame agent_link supervisor_link submission upload archive language)

# The sanitizer's flags are for nightly compilers; this lets the pinned stable one take them.
export RUSTC_BOOTSTRAP=1
# No target reads the page.
export ENCLOS_PAGE=none
# Where a target makes files, it makes many: in memory, if there is such a place.
if [ -d /dev/shm ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi

if ! cargo fuzz --version 2>/dev/null | grep -qF "cargo-fuzz $VERSION"; then
    say "cargo-fuzz $VERSION"
    cargo install cargo-fuzz --locked --version "$VERSION" --force
fi

say "build of the fuzz targets"
cargo fuzz build
built=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release
"$built/seeds" fuzz/target/seeds

# The fewest inputs that reach what all of them reach, the smallest first while there is room.
keep_corpus() {
    local target=$1 merged=fuzz/target/merged/$1 count=0 bytes=0 file size
    rm -rf "$merged"
    mkdir -p "$merged"
    "$built/$target" -merge=1 -max_len=$INPUT_BYTES_MAX "$merged" "fuzz/corpus/$target" "fuzz/target/corpus/$target" \
        "fuzz/target/seeds/$target" >"fuzz/target/$target.merge.log" 2>&1
    rm -f "fuzz/corpus/$target"/*
    while read -r size file; do
        bytes=$((bytes + size))
        count=$((count + 1))
        if [ $count -gt $CORPUS_FILES_MAX ] || [ $bytes -gt $CORPUS_BYTES_MAX ]; then break; fi
        cp "$file" "fuzz/corpus/$target/"
    done < <(find "$merged" -type f -printf '%s %p\n' | sort -n)
    note "$target: $(find "fuzz/corpus/$target" -type f | wc -l) inputs kept"
}

status=0
for target in "${targets[@]}"; do
    say "$target for $seconds seconds"
    log=fuzz/target/$target.log
    mkdir -p "fuzz/corpus/$target" "fuzz/target/corpus/$target" "fuzz/artifacts/$target"
    # What is new goes into the first folder; the others are only read.
    if "$built/$target" -max_total_time="$seconds" -max_len=$INPUT_BYTES_MAX -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/" \
        "fuzz/target/corpus/$target" "fuzz/corpus/$target" "fuzz/target/seeds/$target" >"$log" 2>&1; then
        note "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, nothing found"
        if [ -n "$keep" ]; then keep_corpus "$target"; fi
    else
        status=1
        tail -n 40 "$log"
        printf 'error: %s failed; its input is in fuzz/artifacts/%s\n' "$target" "$target" >&2
    fi
done
exit "$status"

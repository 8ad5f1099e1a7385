#!/usr/bin/env bash
# Removes build results and images that are ours. An image in use by a container stays.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

say "build results"
cargo clean
if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
    say "images with label enclos=image"
    # Children before parents: an image with one cannot go, so passes are made until nothing changes.
    before=-1
    left=$(docker images --quiet --filter label=enclos=image | sort -u)
    while [ -n "$left" ] && [ "$(wc -w <<<"$left")" -ne "$before" ]; do
        before=$(wc -w <<<"$left")
        # shellcheck disable=SC2086
        docker image rm $left >/dev/null 2>&1 || true
        left=$(docker images --quiet --filter label=enclos=image | sort -u)
    done
    [ -z "$left" ] || note "$(wc -w <<<"$left") are in use and stay"
fi

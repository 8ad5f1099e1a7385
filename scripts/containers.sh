#!/usr/bin/env bash
# Makes the container images of master, agent and engine (k8s/images), each with a bill of materials.
#
#   scripts/containers.sh [--built] [--gvisor] [--tag TAG] [--base REFERENCE] [--push REGISTRY] [--check]
#
# --built takes the programs of target/debug as they are (the tests do), else they are built for release.
# --base   Debian 13 by digest, where a registry answers; else the locally made base of the language images.
# --gvisor adds Debian's runsc to the engine.
# --push   tags and pushes them, and prints the digests for k8s/overlays/production/kustomization.yaml.
# --check  builds everything twice without a cache and compares the digests.
#
# The same sources, packages and SOURCE_DATE_EPOCH (the last commit's time, where it is not set) give the same bytes.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

tag=local
base=
push=
built=
check=
gvisor=
while [ $# -gt 0 ]; do
    case "$1" in
        --built) built=yes ;;
        --check) check=yes ;;
        --gvisor) gvisor=runsc ;;
        --tag | --base | --push)
            [ $# -gt 1 ] || die "$1 needs a value" "see the head of $0"
            declare "${1#--}=$2"
            shift
            ;;
        *) die "unknown option '$1'" "see the head of $0" ;;
    esac
    shift
done

command -v python3 >/dev/null || die "python3 is needed to write images" "install your system's package python3"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

if [ -n "$built" ]; then
    programs=$target_dir/debug
else
    scripts/setup.sh
    say "build of the programs"
    cargo build --release --bins --package enclos --package enclos-agent
    programs=$target_dir/release
fi
if [ -z "$base" ]; then
    say "base"
    "$programs/enclos-agent" images build base </dev/null >/dev/null
    base=$("$programs/enclos-agent" images list --json |
        python3 -c 'import json, sys; print(next(i["reference"] for i in json.load(sys.stdin)["images"] if i["name"] == "base"))')
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp k8s/images/Dockerfile k8s/images/collect.sh k8s/images/entry.sh "$context"
for program in enclos enclos-agent; do
    # Symbols are half of it, and tell nobody anything in a container without a debugger.
    if command -v strip >/dev/null; then
        strip -o "$context/$program" "$programs/$program"
    else
        cp "$programs/$program" "$context/$program"
    fi
done

folder=$target_dir/containers
mkdir -p "$folder"
# Names and files are the same for all who run this at once.
exec 9>"$folder/lock"
flock 9

# Builds one image and gives its digest: that of its configuration, which names its layer's. What is made of the same
# build already is taken as it is.
make_one() {
    local name=$1 options=() raw made
    [ -z "${2:-}" ] || options=(--no-cache)
    DOCKER_BUILDKIT=0 docker build --quiet "${options[@]}" --target "$name" --tag "enclos/container-$name:raw" \
        --build-arg "BASE=$base" --build-arg "GVISOR=$gvisor" "$context" >/dev/null 2>"$folder/$name.log" || {
        cat "$folder/$name.log" >&2
        return 1
    }
    raw=$(docker image inspect --format '{{.Id}}' "enclos/container-$name:raw")
    made=$(cat "$folder/$name.made" 2>/dev/null || true)
    if [ -z "${2:-}" ] && [ "${made% *}" = "$raw $tag $SOURCE_DATE_EPOCH" ] && [ -f "$folder/$name.tar" ]; then
        echo "${made##* }"
        return
    fi
    made=$(python3 scripts/containers.py "$name" "$tag" "$folder")
    echo "$raw $tag $SOURCE_DATE_EPOCH $made" >"$folder/$name.made"
    echo "$made"
}

for name in master agent engine; do
    say "container image $name"
    first=$(make_one "$name" "$check")
    note "enclos/$name:$tag $first"
    note "$(du -h "$folder/$name.tar" | cut -f1) as a file; $folder/$name.cdx.json says what is in it"
    if [ -n "$check" ]; then
        second=$(make_one "$name" "$check")
        [ "$first" = "$second" ] || {
            printf 'error: a second build of %s differs: %s\n' "$name" "$second" >&2
            exit 1
        }
        note "a second build has the same digest"
    fi
    if [ "$(docker image inspect --format '{{.Id}}' "enclos/$name:$tag" 2>/dev/null)" != "$first" ]; then
        docker load --quiet --input "$folder/$name.tar" >/dev/null
    fi
    if [ -n "$push" ]; then
        docker tag "enclos/$name:$tag" "$push/$name:$tag"
        docker push --quiet "$push/$name:$tag" >/dev/null
        note "$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$push/$name:$tag" |
            grep -F "$push/$name@")"
    fi
done

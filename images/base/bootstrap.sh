#!/bin/sh
# Writes a minimal Debian 13 root file system as a tar to the path given.
# For hosts that reach a Debian mirror but no image registry.
set -eu

out=${1:?usage: bootstrap.sh OUT.tar}
mirror=${ENCLOS_DEBIAN_MIRROR:-http://deb.debian.org/debian}

if ! command -v mmdebstrap >/dev/null; then
    echo "mmdebstrap is not installed: run 'apt-get install mmdebstrap', or let the engine reach a registry that has debian:trixie-slim" >&2
    exit 3
fi

exec mmdebstrap --variant=minbase --quiet \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --aptopt='APT::Install-Recommends "false"' \
    trixie "$out" "$mirror"

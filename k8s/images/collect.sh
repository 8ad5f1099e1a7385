#!/bin/sh
# Lays out a root file system for one program: itself, its libraries, authorities, users, and what of
# Debian's packages they are from, where scanners look for it.
#
#   collect.sh ROOT PROGRAM
set -eu

root=$1
program=$2
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/var/lib/dpkg/status.d" "$root/tmp" "$root/run"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
mkdir -p "$root/usr/lib64"
chmod 1777 "$root/tmp"
cp "$program" "$root/usr/bin/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/sbin/nologin\nenclos:x:65532:65532:enclos:/var/lib/enclos:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nenclos:x:65532:\n' >"$root/etc/group"
# Names are resolved by what glibc loads at run time, which ldd does not know of.
libraries=$(ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p')
libraries="$libraries $(ls /usr/lib/*-linux-gnu/libnss_dns.so.2 /usr/lib/*-linux-gnu/libnss_files.so.2 \
    /usr/lib/*-linux-gnu/libresolv.so.2)"
packages=ca-certificates
for library in $libraries; do
    file=$(readlink -f "$library")
    # Where the linker looks for it, under the name that it asks for.
    place=/usr${library#/usr}
    mkdir -p "$root$(dirname "$place")"
    cp "$file" "$root$place"
    packages="$packages $(dpkg -S "$file" 2>/dev/null | cut -d: -f1 || true)"
done
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
for package in $(printf '%s\n' $packages | sort -u); do
    dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
done
mkdir -p "$root/var/lib/enclos" "$root/var/lib/enclos-agent"
chown 65532:65532 "$root/var/lib/enclos"
chmod 700 "$root/var/lib/enclos" "$root/var/lib/enclos-agent"

#!/usr/bin/env bash
# Sees that this machine can build and run Enclos, and installs what it may.
# Safe to run again. Exit code 3: something is missing that only you can add.
#
#   scripts/setup.sh               what `make up` needs
#   scripts/setup.sh test          also what `make test` needs
#   scripts/setup.sh gvisor        all that, and install gVisor and tell the engine of it
#   scripts/setup.sh engine-down   stop the engine that an earlier run started

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

NEXTEST_TRIES_MAX=2
APT_TRIES_MAX=3
ENGINE_WAIT_SECONDS=60
ENGINE_TRIES_MAX=2
engine_log=/var/log/enclos-dockerd.log
engine_pid_file=/run/enclos-dockerd.pid
# Of an engine that was installed here.
engine_configuration='{ "exec-opts": ["native.cgroupdriver=cgroupfs"] }'

is_root() { [ "$(id -u)" -eq 0 ]; }
has_apt() { command -v apt-get >/dev/null; }

apt_updated=
apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    local try
    for try in $(seq "$APT_TRIES_MAX"); do
        if [ -n "$apt_updated" ] || apt-get update -qq </dev/null; then
            apt_updated=yes
            apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null && return
        fi
        # An index that is a day old names packages that are gone.
        apt_updated=
        [ "$try" -eq "$APT_TRIES_MAX" ] || note "apt-get did not succeed; tries again"
    done
    return 1
}

check_machine() {
    say "machine"
    [ "$(uname -s)" = Linux ] || die "Enclos needs Linux: its sandboxes are Linux containers" \
        "on macOS and Windows, run it in a Linux virtual machine"
    case "$(uname -m)" in
        x86_64 | aarch64) note "Linux on $(uname -m)" ;;
        *) die "Enclos is built for x86_64 and aarch64, not for $(uname -m)" ;;
    esac
}

check_rust() {
    say "Rust"
    if ! command -v cargo >/dev/null && is_root && has_apt && apt-cache show rustup >/dev/null 2>&1; then
        note "installs rustup from the distribution; the toolchain comes with the first build"
        apt_install rustup
    fi
    command -v cargo >/dev/null || die "cargo is not installed" \
        "install Rust from https://rustup.rs, then run this again"
    note "$(cargo --version)"
    if ! command -v cc >/dev/null; then
        note "installs a C compiler, which SQLite and the linker need"
        if is_root && has_apt; then apt_install gcc libc6-dev; else die "no C compiler" "install gcc, then run this again"; fi
    fi
    local target
    target=$(uname -m)-unknown-linux-musl
    if ! command -v rustup >/dev/null; then
        note "no rustup: the supervisor is linked statically with glibc where $target is missing"
    elif ! rustup target list --installed | grep -qx "$target"; then
        note "adds the target $target for the supervisor, which must be one static file"
        rustup target add "$target" || note "not added: it is linked statically with glibc instead"
    fi
}

check_nextest() {
    say "test runner"
    local try
    for try in $(seq "$NEXTEST_TRIES_MAX"); do
        if cargo nextest --version >/dev/null 2>&1; then
            note "$(cargo nextest --version 2>/dev/null | head -n 1)"
            return
        fi
        note "builds cargo-nextest, which takes minutes once (try $try)"
        cargo install cargo-nextest --locked --quiet || true
    done
    cargo nextest --version >/dev/null 2>&1 || die "cargo-nextest could not be installed" \
        "see https://nexte.st/docs/installation, then run this again"
}

engine_answers() {
    if command -v docker >/dev/null; then
        timeout 10 docker version >/dev/null 2>&1
    elif command -v curl >/dev/null; then
        curl --silent --fail --max-time 10 --unix-socket /var/run/docker.sock http://localhost/_ping >/dev/null 2>&1
    else
        return 1
    fi
}

# Polls, for at most the seconds given; ends early when the process given dies.
wait_for_engine() {
    local deadline=$((SECONDS + $1)) process=${2:-}
    until engine_answers; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        [ -z "$process" ] || kill -0 "$process" 2>/dev/null || return 1
        sleep 0.5
    done
}

# Whether the process lives (a zombie does not) and is named so.
is_alive() {
    [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ] && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# Ends a process and waits until it is gone; SIGKILL after some seconds.
stop_process() {
    local deadline=$((SECONDS + 10))
    kill "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; do
        [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$1" 2>/dev/null || true
        sleep 0.2
    done
}

# What an engine that was killed leaves, and for which dockerd refuses to start or waits in vain:
# pid files of processes that are gone, and a containerd that belongs to nobody.
clear_killed_engine() {
    local file name process
    for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
        name=dockerd
        [ "$(basename "$file")" = docker.pid ] || name=containerd
        process=$(cat "$file" 2>/dev/null || true)
        [ -n "$process" ] || continue
        if ! is_alive "$process" "$name"; then
            note "removes $file: its $name is gone"
            rm -f "$file"
        elif [ "$name" = containerd ]; then
            note "ends a containerd that its dockerd left behind ($process)"
            stop_process "$process"
            rm -f "$file"
        fi
    done
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        note "starts the engine through systemd"
        systemctl enable --now docker >/dev/null 2>&1 || true
        wait_for_engine "$ENGINE_WAIT_SECONDS" && return
        die "the engine does not start" "'journalctl -u docker' says why"
    fi
    note "starts dockerd (no systemd here); it writes to $engine_log"
    local try process
    for try in $(seq "$ENGINE_TRIES_MAX"); do
        clear_killed_engine
        setsid nohup dockerd >"$engine_log" 2>&1 </dev/null &
        process=$!
        echo "$process" >"$engine_pid_file"
        wait_for_engine "$ENGINE_WAIT_SECONDS" "$process" && break
        tail -n 15 "$engine_log" >&2
        [ "$try" -lt "$ENGINE_TRIES_MAX" ] || die "dockerd does not start; above is the end of $engine_log"
        note "it did not come up; tries once more"
        stop_process "$process"
    done
    note "it keeps running; 'make engine-down' stops it"
}

check_engine() {
    say "container engine"
    if engine_answers; then
        note "an engine answers"
        return
    fi
    if [ -S /var/run/docker.sock ] && ! [ -w /var/run/docker.sock ]; then
        die "an engine is there, but $(id -un) may not use it" \
            "run this as root, or add the user to the group docker (which is as good as root) and log in again"
    fi
    if [ -n "${DOCKER_HOST:-}" ]; then
        die "no engine answers at DOCKER_HOST=$DOCKER_HOST" "start it, or unset DOCKER_HOST"
    fi
    if ! command -v dockerd >/dev/null; then
        if ! is_root || ! has_apt; then
            die "no container engine answers, and only root on Debian or Ubuntu can have one installed here" \
                "install Docker Engine 20.10 or newer: https://docs.docker.com/engine/install" \
                "start it, then run this again"
        fi
        note "installs Docker from the distribution (docker.io, iptables)"
        local packages=(docker.io iptables)
        if [ ! -s /etc/docker/daemon.json ]; then
            # Systemd would make the cgroups of containers where the agent cannot make those of cells.
            note "tells the engine to make its cgroups by itself, so that limits are exact"
            mkdir -p /etc/docker
            echo "$engine_configuration" >/etc/docker/daemon.json
        fi
        # Newer releases have the client apart, and hosts with AppArmor need its parser.
        if apt-cache show docker-cli >/dev/null 2>&1 && ! command -v docker >/dev/null; then packages+=(docker-cli); fi
        if grep -qs Y /sys/module/apparmor/parameters/enabled; then packages+=(apparmor); fi
        apt_install "${packages[@]}" || die "apt-get could not install ${packages[*]}"
        # The package may start it by itself.
        if wait_for_engine 5; then
            note "an engine answers"
            return
        fi
    fi
    is_root || die "no container engine answers" "start it (as root: 'systemctl start docker'), then run this again"
    start_engine
}

# For the tests of the page; a build without npm has no page, and says so.
check_browser() {
    say "browser"
    local packages=()
    command -v npm >/dev/null || packages+=(nodejs npm)
    command -v chromium >/dev/null || [ -n "${ENCLOS_CHROMIUM:-}" ] || packages+=(chromium)
    if [ "${#packages[@]}" -gt 0 ]; then
        if ! is_root || ! has_apt; then
            die "the tests of the page need ${packages[*]}" "install them, then run this again"
        fi
        note "installs ${packages[*]} from the distribution"
        apt_install "${packages[@]}" || die "apt-get could not install ${packages[*]}"
    fi
    note "Node $(node --version), $("${ENCLOS_CHROMIUM:-chromium}" --version 2>/dev/null)"
}

check_bootstrap() {
    say "base of the images"
    if command -v mmdebstrap >/dev/null; then
        note "mmdebstrap is here, for the case that no image registry answers"
    elif is_root && has_apt; then
        note "installs mmdebstrap, for the case that no image registry answers"
        apt_install mmdebstrap debian-archive-keyring || note "not installed: a registry must answer"
    else
        note "no mmdebstrap: an image registry must answer"
    fi
}

# The tests of metrics scrape with it. Unpacked and not installed: as a package it starts a service of its own.
check_prometheus() {
    say "Prometheus"
    local place=$target_dir/prometheus
    if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
        note "$(promtool --version 2>&1 | head -n 1)"
        return
    fi
    if [ ! -x "$place/usr/bin/promtool" ]; then
        has_apt || die "prometheus and promtool are not here, and the tests scrape with them" \
            "install Prometheus (https://prometheus.io/download) into the PATH, then run this again"
        note "unpacks the distribution's package into $place"
        mkdir -p "$place"
        if ! (cd "$place" && apt-get download -qq prometheus) 2>/dev/null; then
            if is_root; then apt-get update -qq </dev/null; fi
            (cd "$place" && apt-get download -qq prometheus) || die "apt-get could not fetch the package prometheus"
        fi
        dpkg -x "$place"/prometheus_*.deb "$place"
        rm -f "$place"/prometheus_*.deb
    fi
    note "$("$place/usr/bin/promtool" --version 2>&1 | head -n 1)"
}

# Renders the manifests of k8s/ for their tests; kustomize with components is in kubectl 1.21 and later.
check_kubectl() {
    say "kubectl, to render manifests"
    local rendered
    if renders_manifests; then
        note "it renders k8s/overlays/dev"
        return
    fi
    if is_root && has_apt; then
        note "fetches Debian 13's kubectl, and puts it into /usr/local/bin"
        fetch_kubectl || note "it could not be fetched"
        hash -r
    fi
    if renders_manifests; then
        note "it renders k8s/overlays/dev"
    else
        # Everything else can be set up, and tested.
        note "NOT here, so tests of manifests will fail: ${rendered:-it is not installed}"
        note "install kubectl 1.21 or later (Debian 13 has 1.32)"
    fi
}

renders_manifests() {
    rendered=
    command -v kubectl >/dev/null && rendered=$(kubectl kustomize k8s/overlays/dev 2>&1 >/dev/null)
}

# Debian 12's is too old. This one is fetched by apt with lists of its own, so it is checked like any package,
# and nothing else comes from there.
fetch_kubectl() {
    local place=$target_dir/kubectl mirror=${ENCLOS_DEBIAN_MIRROR:-http://deb.debian.org/debian}
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    rm -rf "$place" && mkdir -p "$place/lists/partial" "$place/cache/archives/partial"
    echo "deb [signed-by=$keyring] $mirror trixie main" >"$place/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$place/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$place/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$place/cache" \
        -o APT::Sandbox::User=root)
    "${apt[@]}" update </dev/null && (cd "$place" && "${apt[@]}" download kubectl </dev/null) || return 1
    dpkg -x "$place"/kubectl_*.deb "$place/root" && install -m 755 "$place/root/usr/bin/kubectl" /usr/local/bin/kubectl
}

has_gvisor() { docker info --format '{{range $name, $_ := .Runtimes}}{{println $name}}{{end}}' 2>/dev/null | grep -qx runsc; }

# The newest platform that this release has and that needs no hardware.
gvisor_platform() {
    if runsc flags 2>&1 | grep -q systrap; then echo systrap; else echo ptrace; fi
}

add_gvisor() {
    say "gVisor"
    if has_gvisor; then
        note "the engine has it as runtime runsc"
        return
    fi
    local configuration=/etc/docker/daemon.json
    if ! is_root || ! has_apt; then
        die "only root on Debian or Ubuntu can have gVisor installed here" "docs/isolation.md says how to by hand"
    fi
    local begin='{'
    if [ -s "$configuration" ] && [ "$(cat "$configuration")" = "$engine_configuration" ]; then
        begin="${engine_configuration% \}},"
    elif [ -s "$configuration" ]; then
        die "$configuration exists, and is yours to change" "add the runtime runsc to it as docs/isolation.md shows"
    fi
    note "installs runsc from the distribution and registers it in $configuration"
    apt_install runsc || die "apt-get could not install runsc" "docs/isolation.md says how to by hand"
    mkdir -p "$(dirname "$configuration")"
    printf '%s "runtimes": { "runsc": { "path": "%s", "runtimeArgs": ["--network=none", "--platform=%s"] } } }\n' \
        "$begin" "$(command -v runsc)" "$(gvisor_platform)" >"$configuration"
    # The engine reads its runtimes anew; nothing that runs is disturbed.
    pkill -HUP -x dockerd || true
    local deadline=$((SECONDS + ENGINE_WAIT_SECONDS))
    until has_gvisor; do
        [ "$SECONDS" -lt "$deadline" ] || die "the engine does not know runsc yet" "restart it, then run this again"
        sleep 0.5
    done
}

engine_down() {
    local process
    process=$(cat "$engine_pid_file" 2>/dev/null || true)
    if [ -z "$process" ] || [ "$(cat "/proc/$process/comm" 2>/dev/null || true)" != dockerd ]; then
        say "no engine of ours runs"
        return
    fi
    say "stops dockerd ($process)"
    kill "$process"
    local deadline=$((SECONDS + ENGINE_WAIT_SECONDS))
    while kill -0 "$process" 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || die "it did not end within $ENGINE_WAIT_SECONDS s"
        sleep 0.5
    done
    rm -f "$engine_pid_file"
}

case "${1:-all}" in
    all | test | gvisor)
        check_machine
        check_rust
        if [ "${1:-all}" != all ]; then
            check_nextest
            check_prometheus
            check_kubectl
            check_browser
        fi
        check_engine
        check_bootstrap
        if [ "${1:-all}" = gvisor ]; then add_gvisor; fi
        ;;
    engine-down) engine_down ;;
    *) die "usage: setup.sh [test | gvisor | engine-down]" ;;
esac

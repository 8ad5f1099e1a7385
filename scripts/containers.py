#!/usr/bin/env python3
"""Writes a built image anew, so that the same contents are the same bytes, and a bill of materials beside it.

    containers.py NAME TAG FOLDER

Takes enclos/container-NAME:raw from the engine; writes FOLDER/NAME.tar (for `docker load`) and FOLDER/NAME.cdx.json
(CycloneDX 1.5); prints the image's digest. Times come from SOURCE_DATE_EPOCH, the order from the names, and what the
engine adds to every container is left out.
"""

import datetime
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

# What the engine puts in each container, of which no two are alike.
OF_THE_ENGINE = {
    ".dockerenv", "dev/console", "dev/pts", "dev/shm", "dev",
    "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab",
}
# What tools remember of the day on which they ran.
OF_THE_DAY = ("var/cache/", "var/log/", "var/lib/apt/", "tmp/", "run/")
# Password ages count days; nobody has a password here.
SHADOWS = {"etc/shadow", "etc/shadow-", "etc/gshadow-", "etc/passwd-", "etc/group-", "etc/subuid-", "etc/subgid-"}
KEPT_SETTINGS = ("User", "Env", "Cmd", "Entrypoint", "WorkingDir", "ExposedPorts", "Labels")
# Which crate is in which image.
CRATES = {"master": "enclos", "agent": "enclos-agent", "engine": None}


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def is_left_out(name):
    return name in OF_THE_ENGINE or name in SHADOWS or any(name.startswith(f) for f in OF_THE_DAY)


def layer_of(image, epoch, path):
    """Writes the image's files to `path`, sorted and dated; gives their digest and the packages among them."""
    container = output("docker", "create", image, "-").decode().strip()
    spool = path + ".export"
    try:
        with open(spool, "wb") as file:
            subprocess.run(["docker", "export", container], check=True, stdout=file)
    finally:
        output("docker", "rm", "--force", container)
    statuses = []
    with tarfile.open(spool) as source, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as target:
        members = {member.name.rstrip("/"): member for member in source.getmembers()}
        for name in sorted(members):
            member = members[name]
            if is_left_out(name):
                continue
            if name == "var/lib/dpkg/status" or name.startswith("var/lib/dpkg/status.d/"):
                statuses.append(source.extractfile(member).read().decode() if member.isfile() else "")
            member.mtime, member.uname, member.gname, member.pax_headers = epoch, "", "", {}
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
    os.remove(spool)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return "sha256:" + digest.hexdigest(), "\n\n".join(statuses)


def debian_packages(statuses):
    for stanza in statuses.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields and "installed" in fields.get("Status", ""):
            name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
            yield {
                "type": "library", "name": name, "version": version,
                "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}&distro=debian-13",
            }


def crates(package):
    """The crates that a program is made of, from Cargo.lock by way of cargo: normal dependencies only."""
    text = output("cargo", "metadata", "--format-version", "1", "--locked", "--offline")
    metadata = json.loads(text)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {p["id"]: p for p in metadata["packages"]}
    waiting = [p["id"] for p in metadata["packages"] if p["name"] == package and p["source"] is None]
    seen = set()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        for dependency in nodes[key]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    for key in sorted(seen, key=lambda k: (packages[k]["name"], packages[k]["version"])):
        found = packages[key]
        yield {
            "type": "library", "name": found["name"], "version": found["version"],
            "licenses": [{"expression": found["license"]}] if found["license"] else [],
            "purl": f"pkg:cargo/{found['name']}@{found['version']}",
        }


def add(archive, name, data, epoch):
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), epoch, 0o644
    archive.addfile(member, io.BytesIO(data))


def main(name, tag, folder):
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    image = f"enclos/container-{name}:raw"
    inspected = json.loads(output("docker", "image", "inspect", image))[0]
    layer = os.path.join(folder, f"{name}.layer")
    diff, statuses = layer_of(image, epoch, layer)
    config = {
        "architecture": inspected["Architecture"], "os": inspected["Os"], "created": created,
        "config": {key: inspected["Config"][key] for key in KEPT_SETTINGS if inspected["Config"].get(key)},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created": created, "created_by": "scripts/containers.sh"}],
    }
    config = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": [f"enclos/{name}:{tag}"], "Layers": ["layer.tar"]}]
    with tarfile.open(os.path.join(folder, f"{name}.tar"), "w") as archive:
        add(archive, f"{digest}.json", config, epoch)
        member = tarfile.TarInfo("layer.tar")
        member.size, member.mtime, member.mode = os.path.getsize(layer), epoch, 0o644
        with open(layer, "rb") as file:
            archive.addfile(member, file)
        add(archive, "manifest.json", json.dumps(manifest, sort_keys=True).encode(), epoch)
    os.remove(layer)
    components = list(debian_packages(statuses)) + (list(crates(CRATES[name])) if CRATES[name] else [])
    bill = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {
            "timestamp": created,
            "component": {"type": "container", "name": f"enclos/{name}", "version": f"sha256:{digest}"},
        },
        "components": components,
    }
    with open(os.path.join(folder, f"{name}.cdx.json"), "w", encoding="utf-8") as file:
        json.dump(bill, file, indent=1, sort_keys=True)
    print("sha256:" + digest)


if __name__ == "__main__":
    main(*sys.argv[1:])

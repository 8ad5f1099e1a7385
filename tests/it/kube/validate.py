"""Holds manifests strictly against the API schemas of Kubernetes.

    validate.py OLDEST FILE...

Prints `VERSION OBJECTS` for OLDEST and the newest version that the package has. Kinds that Kubernetes itself does not
have are printed as `without NAME`; anything else that is wrong is an exit code of 1. What several overlays have alike is
looked at once.
"""

import json
import sys

import kubernetes_validate
import yaml
from kubernetes_validate.utils import SchemaNotFoundError, ValidationError, all_versions

oldest, *files = sys.argv[1:]
known = [version for version in all_versions() if version.startswith(oldest)]
foreign, wrong = set(), False
for version in [known[-1], all_versions()[-1]]:
    count, seen = 0, set()
    for file in files:
        with open(file, encoding="utf-8") as text:
            for document in yaml.safe_load_all(text):
                if (same := json.dumps(document, sort_keys=True)) in seen:
                    count += document["kind"] not in foreign
                    continue
                seen.add(same)
                name = f"{file} {document['kind']} {document['metadata']['name']}"
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                    count += 1
                except SchemaNotFoundError:
                    foreign.add(document["kind"])
                except ValidationError as error:
                    wrong = True
                    print(f"{name}, {version}: {'.'.join(map(str, error.path))}: {error.message}", file=sys.stderr)
    print(version, count)
for kind in sorted(foreign):
    print("without", kind)
sys.exit(wrong)

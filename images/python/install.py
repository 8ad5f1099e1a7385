"""Installs packages for one job: wheels only, from one index, into an empty directory.

    install.py INDEX DIRECTORY REQUIREMENT...

Standard output is read by the agent, a line each: `package NAME VERSION`, or
`problem TEXT` where the requirements cannot be met. Standard error is pip's own
log. Exit codes: 0 installed, 1 they cannot be met, 75 the index did not answer
as an index does (it is worth another try).
"""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

CANNOT_BE_MET = 1
TRY_AGAIN = 75
PAGE_BYTES_MAX = 32 * 1024 * 1024
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


def main():
    index, directory, *requirements = sys.argv[1:]
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        log, code = run_pip(index, directory, report.name, requirements)
        if code != 0:
            return explain(index, log)
        for item in json.load(report)["install"]:
            print("package", item["metadata"]["name"], item["metadata"]["version"])
    return 0


def run_pip(index, directory, report, requirements):
    """pip's log, which goes on to standard error as it comes, and its exit code."""
    (wheel,) = glob.glob("/usr/share/python-wheels/pip-*.whl")
    command = [sys.executable, "-I", wheel + "/pip", "install", "--isolated", "--no-input", "--no-color"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--progress-bar=off", "--retries=1", "--timeout=30"]
    command += ["--only-binary=:all:", "--no-warn-script-location", "--root-user-action=ignore"]
    command += ["--index-url", index, "--target", directory, "--report", report]
    if index.startswith("http://"):
        command += ["--trusted-host", urllib.parse.urlsplit(index).netloc]
    if os.environ.get("SSL_CERT_FILE"):
        command += ["--cert", os.environ["SSL_CERT_FILE"]]
    pip = subprocess.Popen(
        command + ["--", *requirements], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    lines = []
    for line in pip.stdout:
        sys.stderr.write(line)
        lines.append(line)
    return "".join(lines), pip.wait()


def explain(index, log):
    """Why pip refused: its own words are the same for a name that nobody has and for one without wheels."""
    missing = re.search(r"No matching distribution found for ([A-Za-z0-9._-]*[A-Za-z0-9])", log)
    if missing:
        return explain_missing(index, missing[1])
    if "ResolutionImpossible" in log:
        return problem("the requirements contradict each other")
    errors = re.findall(r"^ERROR: (.*)", log, re.MULTILINE)
    if not errors or errors[-1] == "Exception:":
        # pip itself broke: the last line of its traceback says by what.
        errors = [line for line in log.splitlines() if line.strip()] or ["pip failed"]
    return problem(errors[-1].strip())


def explain_missing(index, name):
    try:
        files = files_of(index, name)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return problem(f"the index has no package '{name}'")
        return unanswered(error)
    except (OSError, ValueError) as error:
        return unanswered(error)
    if not any(file.endswith(".whl") for file in files):
        return problem(f"'{name}' is published as source only, and only wheels are installed")
    return problem(f"no wheel of '{name}' fits the version asked for and this Python")


def files_of(index, name):
    """Names of the files that the index lists for a package (PEP 503, PEP 691)."""
    project = re.sub(r"[-_.]+", "-", name).lower()
    request = urllib.request.Request(f"{index.rstrip('/')}/{project}/", headers={"Accept": ACCEPT})
    with urllib.request.urlopen(request, timeout=30) as answer:
        page = answer.read(PAGE_BYTES_MAX)
        if "json" in answer.headers.get("Content-Type", ""):
            return [file["filename"] for file in json.loads(page)["files"]]
    links = re.findall(r"<a\b[^>]*\bhref\s*=\s*[\"']([^\"'#]*)", page.decode("utf-8", "replace"), re.IGNORECASE)
    return [urllib.parse.urlsplit(link).path.rsplit("/", 1)[-1] for link in links]


def problem(text):
    print("problem", text)
    return CANNOT_BE_MET


def unanswered(error):
    print(f"the index did not answer: {error}", file=sys.stderr)
    return TRY_AGAIN


if __name__ == "__main__":
    sys.exit(main())

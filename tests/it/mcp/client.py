"""The official Python client against a server's door: prints what it saw as one JSON object.

Usage: client.py URL MODE, with the key in ENCLOS_API_KEY. MODE is `legacy` (a session, and
`notifications/cancelled`) or `2026-07-28` (each request for itself, and an answer that is left).
"""

import json
import os
import sys

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL, MODE = sys.argv[1:3]
LOOP = "import time\nwhile True:\n    pass\n"
CASES = [
    {"stdin": "1 2", "expected_stdout": "3"},
    {"name": "wrong", "stdin": "2 2", "expected_stdout": "5"},
]
SUM = "print(sum(map(int, input().split())))"


def client(headers, statuses=None):
    async def note(response):
        if statuses is not None:
            statuses.append(response.status_code)

    timeout = httpx2.Timeout(30, read=120)
    http = httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks={"response": [note]})
    return Client(streamable_http_client(URL, http_client=http), mode=MODE)


def told(result):
    return {
        "is_error": result.is_error,
        "text": result.content[0].text,
        "structured": result.structured_content,
    }


async def refused():
    """What the server answers to who shows no key; the client's own words leave the status out."""
    statuses = []
    try:
        async with client({}, statuses) as nobody:
            await nobody.list_tools()
    except Exception as error:
        return f"{sorted(set(statuses))}: {error!r}"
    return None


async def left(door, seen):
    """Begins an endless loop, and leaves it when it runs."""
    async with anyio.create_task_group() as group:

        async def watch(_progress, _total, message):
            seen.append(message)
            if message == "running":
                group.cancel_scope.cancel()

        arguments = {"language": "python", "code": LOOP, "limits": {"cpu_ms": 10000, "wall_ms": 20000}}
        await door.call_tool("run_code", arguments, progress_callback=watch)
        raise AssertionError("the loop came to an end")


async def main():
    report = {"refused": await refused()}
    key = os.environ["ENCLOS_API_KEY"]
    async with client({"Authorization": f"Bearer {key}"}) as door:
        report["version"] = door.protocol_version
        report["tools"] = [tool.name for tool in (await door.list_tools()).tools]
        progress = []

        async def watch(step, _total, message):
            progress.append([step, message])

        hello = {"language": "python", "code": "print('hello', input())", "stdin": "there"}
        report["hello"] = told(await door.call_tool("run_code", hello, progress_callback=watch))
        report["progress"] = progress
        tests = {"language": "python", "code": SUM, "cases": CASES}
        report["tests"] = told(await door.call_tool("run_tests", tests))
        report["languages"] = told(await door.call_tool("list_languages", {"language": "c"}))
        unknown = {"language": "pyton", "code": ""}
        report["unknown"] = told(await door.call_tool("run_code", unknown))
        job = report["hello"]["structured"]["job"]
        report["output"] = told(await door.call_tool("read_output", {"job": job, "offset": 6}))
        report["loop"] = []
        await left(door, report["loop"])
        # The same client goes on.
        report["after"] = told(await door.call_tool("run_code", {"language": "c", "code": "int main(void) { return 3; }"}))
    print(json.dumps(report))


anyio.run(main)

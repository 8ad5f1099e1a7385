"""What ultra-piston's page shows, with a changed address, in every language; at once and awaited."""

import asyncio
import json
import sys

from ultra_piston import File, PistonClient
from ultra_piston.errors import BadRequestError


def main(url, programs, key):
    client = PistonClient(base_url=url, rate_limit=0, api_key=key)
    runtimes = client.get_runtimes()
    installed = {package.language for package in client.get_packages() if package.installed}
    for program in programs:
        language = program["language"]
        [runtime] = [r for r in runtimes if language == r.language or language in r.aliases]
        assert runtime.language in installed, installed

        def run(source, **more):
            return client.post_execute(language, runtime.version, File(content=source), **more)

        result = run(program["hello"])
        assert result.run.output == "hello, piston\n" and result.run.code == 0, result
        assert result.version == runtime.version and (result.compile is not None) == program["compiles"], result

        result = run(program["echo"], stdin="ü", args=["one", "two"])
        assert result.run.stdout == "one:ü\n" and result.run.code == 3, result

        result = run(program["broken"])
        assert result.run.code == 1 and result.run.stderr, result
        if program["compiles"]:
            assert result.compile == result.compile.model_copy(update=result.run.model_dump()), result

        result = run(program["endless"], run_timeout=1000)
        assert result.run.signal == "SIGKILL" and result.run.code is None, result

        awaited = client.post_execute_async(language, "*", File(content=program["hello"]))
        assert asyncio.run(awaited).run.stdout == "hello, piston\n"
    try:
        client.post_execute("no-such", "*", File(content="x"))
        raise SystemExit("a language that is none runs")
    except BadRequestError:
        pass
    print(f"{len(programs)} languages")


main(sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3] if len(sys.argv) > 3 else None)

"""What aiopyston's page shows, with a changed address: its own words, in every language."""

import asyncio
import json
import sys

from pyston import File, PystonClient
from pyston.exceptions import ExecutionError, InvalidLanguage


async def main(url, programs, key):
    client = PystonClient(base_url=url, api_key=key)
    names = {runtime.language for runtime in await client.runtimes()} | await client.languages()
    for program in programs:
        language = program["language"]
        [runtime] = await client.get_runtimes(language)
        assert runtime.language in names and runtime.version.count(".") == 2, runtime

        output = await client.execute(language, [File(program["hello"])])
        assert str(output) == "hello, piston\n" and output.success, output.raw_json
        assert output.run_stage.code == 0 and output.run_stage.signal is None, output.raw_json

        output = await client.execute(language, [File(program["echo"])], stdin="ü", args=["one", "two"])
        assert str(output) == "one:ü\n" and output.run_stage.code == 3, output.raw_json

        output = await client.execute(language, [File(program["broken"])], version=runtime.version)
        assert output.run_stage.code == 1 and not output.success, output.raw_json
        assert (output.compile_stage is not None) == program["compiles"], output.raw_json
        if program["compiles"]:
            assert output.compile_stage.code == 1 and "undeclared" in str(output), output.raw_json

        output = await client.execute(language, [File(program["endless"])], run_timeout=1000)
        assert output.run_stage.signal == "SIGKILL" and output.run_stage.code is None, output.raw_json
        assert output.raw_json["run"]["status"] == "TO", output.raw_json
    for attempt, error, words in [
        (client.execute("no-such", [File("x")]), ExecutionError, "no-such-* runtime is unknown"),
        (client.execute("c", [File("x")], run_timeout=10**9), ExecutionError, "run_timeout cannot exceed"),
        (client.get_runtimes("no-such"), InvalidLanguage, "not found"),
    ]:
        try:
            await attempt
            raise SystemExit(f"no {error.__name__}")
        except error as told:
            assert words in str(told), told
    await client.close_session()
    print(f"{len(programs)} languages")


asyncio.run(main(sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3] if len(sys.argv) > 3 else None))

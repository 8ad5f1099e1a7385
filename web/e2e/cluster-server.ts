// A real master, and real agents, for the tests of Jobs, Cluster and Keys: each test file has its own.
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAMS = process.env["ENCLOS_PROGRAMS"] ?? fileURLToPath(new URL("../../target/debug", import.meta.url));
const READY_MS = 60_000;
const END_MS = 30_000;
const LOOK_MS = 50;
const LOG_LINES = 30;

export interface Answer<T> {
  status: number;
  body: T;
}

export interface JobBody {
  id: string;
  state: string;
  outcome?: string;
}

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Looks again and again: at another process, which cannot be awaited. */
export async function until(what: string, look: () => Promise<boolean>, ms = READY_MS): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await look().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

export class Server {
  readonly agents = new Map<string, ChildProcess>();

  private constructor(
    readonly url: string,
    readonly process: ChildProcess,
    private readonly link: string,
    private readonly directory: string,
    private readonly token: string,
  ) {}

  static async start(...flags: string[]): Promise<Server> {
    const directory = mkdtempSync(join(tmpdir(), "enclos-page-"));
    const [port, link] = [await freePort(), await freePort()];
    const token = randomBytes(16).toString("hex");
    const log = openSync(join(directory, "master.log"), "w");
    const master = spawn(
      join(PROGRAMS, "enclos"),
      ["master", "--bind", `127.0.0.1:${port}`, "--link-bind", `127.0.0.1:${link}`, "--data-dir", join(directory, "data"), ...flags],
      { stdio: ["ignore", log, log], env: { ...process.env, ENCLOS_JOIN_TOKEN: token } },
    );
    const server = new Server(`http://127.0.0.1:${port}`, master, `http://127.0.0.1:${link}`, directory, token);
    try {
      await until("the master answers", async () => (await fetch(`${server.url}/healthz`)).ok);
    } catch (error) {
      throw new Error(`${String(error)}\n${server.log("master")}`);
    }
    return server;
  }

  /** The last lines of what a process wrote. */
  log(name: string): string {
    return readFileSync(join(this.directory, `${name}.log`), "utf8").split("\n").slice(-LOG_LINES).join("\n");
  }

  /** Starts an agent of a server without keys; it takes jobs when this returns. */
  async agent(name: string, slots = 2, languages = "python,c"): Promise<ChildProcess> {
    const log = openSync(join(this.directory, `${name}.log`), "w");
    const flags = ["--languages", languages, "--slots", String(slots)];
    const agent = spawn(join(PROGRAMS, "enclos-agent"), ["--master", this.link, "--name", name, ...flags], {
      stdio: ["ignore", log, log],
      env: { ...process.env, ENCLOS_JOIN_TOKEN: this.token },
    });
    this.agents.set(name, agent);
    try {
      await until(`agent ${name} is there`, async () => {
        const { body } = await this.get<{ agents: { name: string; state: string }[] }>("/v1/agents");
        return body.agents.some((one) => one.name === name && one.state === "connected");
      });
    } catch (error) {
      throw new Error(`${String(error)}\n${this.log(name)}`);
    }
    return agent;
  }

  async get<T>(path: string, key?: string): Promise<Answer<T>> {
    const answer = await fetch(this.url + path, { headers: key ? { authorization: `Bearer ${key}` } : {} });
    return { status: answer.status, body: (await answer.json()) as T };
  }

  async post<T>(path: string, body: unknown, key?: string): Promise<Answer<T>> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (key) headers["authorization"] = `Bearer ${key}`;
    const answer = await fetch(this.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, body: (await answer.json()) as T };
  }

  /** Submits a job. `wait`: until it has ended. */
  async job(submission: object, wait = false): Promise<JobBody> {
    const { status, body } = await this.post<JobBody>(`/v1/jobs${wait ? "?wait_ms=60000" : ""}`, submission);
    if (status >= 300) throw new Error(`a job is refused: ${JSON.stringify(body)}`);
    return body;
  }

  async end(): Promise<void> {
    for (const one of [...this.agents.values(), this.process]) await ended(one);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Asks a process to end, waits, and kills it if it does not. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGCONT");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await over;
  clearTimeout(late);
}

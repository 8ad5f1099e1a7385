// The agents of the fleet in the order in which they want to be looked at.
import type { Agent } from "./types";

const ORDER: Readonly<Record<string, number>> = { suspect: 0, draining: 1, connected: 2 };
const NAMES = new Intl.Collator("en", { numeric: true });

/** Those whose name has `text` in it, silent ones first, then by name as people count (`node-2` before `node-10`). */
export function fleet(agents: readonly Agent[], text: string): Agent[] {
  const wanted = text.trim().toLowerCase();
  return agents
    .filter((agent) => wanted === "" || agent.name.toLowerCase().includes(wanted))
    .sort((a, b) => (ORDER[a.state] ?? 3) - (ORDER[b.state] ?? 3) || NAMES.compare(a.name, b.name));
}

/** Sandboxes of an agent that wait for a job. */
export function warm(agent: Agent): number {
  return agent.languages.reduce((sum, language) => sum + language.warm, 0);
}

/** Images that an agent has. */
export function images(agent: Agent): number {
  return agent.languages.filter((language) => language.image === "ready").length;
}

/** Jobs that all agents can run at once, but those that take no more. */
export function slots(agents: readonly Agent[]): number {
  return agents.reduce((sum, agent) => sum + (agent.state === "connected" ? agent.capacity.slots : 0), 0);
}

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

/** Jobs that all agents can run at once, but those that take no more. */
export function slots(agents: readonly Agent[]): number {
  return agents.reduce((sum, agent) => sum + (agent.state === "connected" ? agent.capacity.slots : 0), 0);
}

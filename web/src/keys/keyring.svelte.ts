// What the page Keys knows: usage, and for operators the keys and the tenants' quotas.
import { json } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import { may } from "../api/session.svelte";
import type { Key } from "../api/types";
import type { KeyWithSecret, Tenant, UsageList } from "./types";

export interface NewKey {
  tenant: string;
  scopes: string[];
  name?: string;
  lasts_ms?: number;
}

export class Keyring {
  usage = $state.raw<UsageList | null>(null);
  keys = $state.raw<readonly Key[]>([]);
  tenants = $state.raw<readonly Tenant[]>([]);
  problem = $state.raw<Problem | null>(null);
  read = $state(false);
  /** A secret is on the screen: a reading that is refused would take it away unread. */
  showsSecret = $state(false);

  async load(): Promise<void> {
    try {
      const operator = may("operate");
      const [usage, keys, tenants] = await Promise.all([
        json<UsageList>("/v1/usage"),
        operator ? json<{ keys: Key[] }>("/v1/keys") : { keys: [] },
        operator ? json<{ tenants: Tenant[] }>("/v1/tenants") : { tenants: [] },
      ]);
      this.usage = usage;
      this.keys = keys.keys;
      this.tenants = tenants.tenants;
      this.problem = null;
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.read = true;
    }
  }

  /** Reads again what is used; a refusal keeps what is shown. */
  async loadUsage(): Promise<void> {
    try {
      this.usage = await json<UsageList>("/v1/usage");
    } catch (error) {
      this.problem = asProblem(error);
    }
  }

  create(key: NewKey): Promise<KeyWithSecret> {
    return this.#changed(json<KeyWithSecret>("/v1/keys", { method: "POST", body: key }));
  }

  /** Reads nothing again: the key may be our own, and its old secret refused from now on. */
  rotate(id: string, graceMs: number): Promise<KeyWithSecret> {
    const path = `/v1/keys/${encodeURIComponent(id)}/rotate`;
    return json<KeyWithSecret>(path, { method: "POST", body: { grace_ms: graceMs } });
  }

  revoke(id: string): Promise<Key> {
    return this.#changed(json<Key>(`/v1/keys/${encodeURIComponent(id)}/revoke`, { method: "POST" }));
  }

  set(tenant: string, settings: Record<string, unknown>): Promise<Tenant> {
    const path = `/v1/tenants/${encodeURIComponent(tenant)}`;
    return this.#changed(json<Tenant>(path, { method: "POST", body: settings }));
  }

  /** What was done is done even where the lists cannot be read again. */
  async #changed<T>(change: Promise<T>): Promise<T> {
    const answer = await change;
    void this.load();
    return answer;
  }
}

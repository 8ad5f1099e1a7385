// Keys, tenants and usage, as the API tells of them.
import type { Key } from "../api/types";

export type KeyWithSecret = Key & { secret: string };

/** A use, and its bound; absent: no bound but the service's. */
export interface Measured {
  used: number;
  maximum?: number | null;
}

export interface TenantUsage {
  tenant: string;
  jobs_today: Record<string, number>;
  cpu_ms_today: Measured;
  queued_jobs: Measured;
  running_jobs: Measured;
  blob_bytes: Measured;
  requests_per_second?: number | null;
}

export interface UsageList {
  day_ends_at: string;
  tenants: TenantUsage[];
}

export interface Tenant {
  tenant: string;
  settings: Record<string, unknown>;
}

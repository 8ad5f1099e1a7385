// Limits as people write them: seconds and MiB, where the API has milliseconds and bytes.
import type { Bounds, LimitName, LimitValues } from "../api/types";

const MIB = 1024 * 1024;

export interface Unit {
  /** How many of the API's units one of ours is. */
  factor: number;
  label: "s" | "KiB" | "MiB" | "";
}

const UNITS: Record<LimitName, Unit> = {
  cpu_ms: { factor: 1000, label: "s" },
  wall_ms: { factor: 1000, label: "s" },
  memory_bytes: { factor: MIB, label: "MiB" },
  pids: { factor: 1, label: "" },
  output_bytes: { factor: MIB, label: "MiB" },
  report_bytes: { factor: 1024, label: "KiB" },
  file_bytes: { factor: MIB, label: "MiB" },
  stack_bytes: { factor: MIB, label: "MiB" },
  cpus: { factor: 1, label: "" },
};

/** In which order they are asked for. */
export const LIMIT_ORDER = Object.keys(UNITS) as LimitName[];

export const unitOf = (name: LimitName): Unit => UNITS[name];

/** What a person wrote, in the API's unit; `null` for nothing, `NaN` for what is no number. */
export function fromField(name: LimitName, text: string): number | null {
  if (text.trim() === "") return null;
  const value = Number(text.replace(",", ".")) * UNITS[name].factor;
  return name === "cpus" ? value : Math.round(value);
}

export function toField(name: LimitName, value: number | undefined): string {
  return value === undefined ? "" : String(Number((value / UNITS[name].factor).toFixed(4)));
}

/** Those of the limits that the server would refuse. */
export function outside(values: LimitValues, bounds: Bounds | null | undefined): LimitName[] {
  return LIMIT_ORDER.filter((name) => {
    const [value, bound] = [values[name], bounds?.[name]];
    return value !== undefined && bound !== undefined && !(value >= bound.min && value <= bound.max);
  });
}

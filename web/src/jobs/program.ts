/** The fragment that opens a job's program in Run, where this browser ran it. */
export function programOf(_id: string): string | null {
  return null;
}

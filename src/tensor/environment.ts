/** Whether there is no Node, Deno or Bun around. */
export function inBrowser(): boolean {
  return !globalThis.process?.versions?.node;
}

/** An environment variable, where there are such. */
export function environment(variable: string): string | undefined {
  try {
    return globalThis.process?.env?.[variable];
  } catch {
    return undefined; // Deno without --allow-env
  }
}

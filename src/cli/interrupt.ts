/** The first Ctrl-C asks the work to stop and keep what it has; the second ends at once. */
export function onInterrupt(message: string): { now(): boolean; off(): void } {
  let asked = false;
  const handler = () => {
    if (asked) process.exit(130);
    asked = true;
    console.error(`\n${message}; press Ctrl-C again to end at once`);
  };
  process.on("SIGINT", handler);
  return { now: () => asked, off: () => process.off("SIGINT", handler) };
}

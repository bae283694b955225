/**
 * The first Ctrl-C asks the work to stop and keep what it has. From then on it means what it does to any program: a
 * second one ends this one at once, even in the middle of a long computation.
 */
export function onInterrupt(message: string): { now(): boolean; off(): void } {
  let asked = false;
  const handler = () => {
    asked = true;
    console.error(`\n${message}; press Ctrl-C again to end at once`);
  };
  process.once("SIGINT", handler);
  return { now: () => asked, off: () => process.off("SIGINT", handler) };
}

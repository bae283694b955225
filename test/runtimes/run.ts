import { execFile } from "node:child_process";

/** Standard output of a command; fails, with all that it said, where it does or where it takes too long. */
export function run(
  [command, ...args]: readonly string[],
  options: { readonly cwd?: string; readonly timeout?: number; readonly env?: Record<string, string> } = {},
): Promise<string> {
  const { cwd, timeout = 60_000, env } = options;
  return new Promise((resolve, reject) => {
    const inherited = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: undefined };
    const settings = { cwd, timeout, env: { ...inherited, ...env }, maxBuffer: 2 ** 26 };
    execFile(command, args, settings, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.join(" ")}: ${error.message}\n${stdout}\n${stderr}`));
      else resolve(stdout);
    });
  });
}

// The command line in this process, where the device is up and its kernels are compiled: a second less than run-coop.ts.
import "./gpu-settings.ts";
import { mock } from "node:test";
import { main } from "../src/cli/cli.ts";
import type { Outcome } from "./run-coop.ts";

/** Runs `coop …`. Its progress is not part of stderr. */
export async function coopHere(...words: string[]): Promise<Outcome & { readonly progress: string }> {
  const said = { stdout: "", stderr: "", progress: "" };
  const listen = (to: keyof typeof said, end: string) => (text: string) => {
    said[to] += `${text}${end}`;
    return true;
  };
  const mocks = [
    mock.method(console, "log", listen("stdout", "\n")),
    mock.method(console, "error", listen("stderr", "\n")),
    mock.method(process.stderr, "write", listen("progress", "")),
  ];
  const code = await main(words).finally(() => mocks.forEach((one) => one.mock.restore()));
  return { code, ...said };
}

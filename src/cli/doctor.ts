import { formatTable } from "../coop/progress.ts";
import { device } from "../tensor/index.ts";
import { announce } from "../tensor/runtime.ts";
import { selfTest } from "../tensor/self-test.ts";
import type { Command } from "./command.ts";
import { VERSION } from "./versions.ts";

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupStorageSize",
] as const;

export const doctor: Command = {
  summary: "Shows the adapter that coop would use and tests every kernel on it against float64.",
  usage: "",
  flags: {},
  async run(input) {
    const on = await device();
    announce(on.description);
    const features = [...on.gpu.features].sort();
    const limits = Object.fromEntries(LIMITS.map((name) => [name, on.gpu.limits[name]]));
    const tests = await selfTest();
    const ok = tests.every(({ passed }) => passed);
    if (input.has("json")) {
      console.log(
        JSON.stringify({
          version: VERSION,
          adapter: on.description,
          software: on.isSoftware,
          features,
          limits,
          tests,
          ok,
        }),
      );
      return ok ? 0 : 1;
    }
    const rows = [
      ["coop", VERSION],
      ["adapter", on.description],
      ["features", features.join(", ") || "none"],
      ...Object.entries(limits).map(([name, value]) => [name, String(value)]),
    ];
    console.log(formatTable(rows));
    console.log(
      `\n${formatTable([["kernel", "error", "allowed", ""], ...tests.map((t) => [t.name, t.error.toExponential(1), t.allowed.toExponential(1), t.passed ? "ok" : "WRONG"])])}`,
    );
    console.log(
      ok
        ? "\nEvery kernel agrees with float64."
        : "\nSome kernels give wrong numbers on this adapter: do not trust its results. COOP_ADAPTER=swiftshader runs on the CPU instead.",
    );
    return ok ? 0 : 1;
  },
};

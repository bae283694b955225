import { formatTable } from "../coop/progress.ts";
import { device } from "../tensor/index.ts";
import { announce } from "../tensor/runtime.ts";
import { type SelfTest, selfTest } from "../tensor/self-test.ts";
import type { Command } from "./command.ts";
import { print, printJson } from "./print.ts";
import { VERSION } from "./versions.ts";

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupStorageSize",
] as const;

export const doctor: Command = {
  summary: "Shows the adapter that coop would use, tests every kernel on it against float64 and refuses wrong ones.",
  usage: "",
  flags: {},
  async run(input) {
    const on = await device();
    announce(on.description);
    const features = [...on.gpu.features].sort();
    const limits = Object.fromEntries(LIMITS.map((name) => [name, on.gpu.limits[name]]));
    const { tests, refused, fallbacks, ok } = await selfTest();
    if (input.has("json")) {
      printJson({
        version: VERSION,
        adapter: on.description,
        software: on.isSoftware,
        features,
        limits,
        tests,
        refused,
        fallbacks,
        ok,
      });
      return ok ? 0 : 1;
    }
    const rows = [
      ["coop", VERSION],
      ["adapter", on.description],
      ["features", features.join(", ") || "none"],
      ...Object.entries(limits).map(([name, value]) => [name, String(value)]),
    ];
    print(formatTable(rows));
    const table = (of: readonly SelfTest[]) =>
      formatTable([
        ["kernel", "error", "allowed", ""],
        ...of.map((t) => [t.name, t.error.toExponential(1), t.allowed.toExponential(1), t.passed ? "ok" : "WRONG"]),
      ]);
    print(`\n${table(tests)}`);
    if (refused.length > 0)
      print(
        `\nThese kernels give wrong numbers on this adapter and are not used any more: ${refused.join(", ")}. Their ops, computed by what is left:\n\n${table(fallbacks)}`,
      );
    const wrong =
      "Some numbers are wrong on this adapter: do not trust it. COOP_ADAPTER=swiftshader runs on the CPU instead.";
    const right = refused.length > 0 ? "What is used agrees with float64." : "Every kernel agrees with float64.";
    print(`\n${ok ? right : wrong}`);
    return ok ? 0 : 1;
  },
};

import type { Target } from "./target.ts";
import { DATA } from "./targets-data.ts";
import { MODEL } from "./targets-model.ts";
import { PICTURES } from "./targets-pictures.ts";
import { RUNS } from "./targets-runs.ts";
import { WEIGHTS } from "./targets-weights.ts";

/** Every reader of files that others made. */
export const TARGETS: readonly Target[] = [...WEIGHTS, ...MODEL, ...RUNS, ...DATA, ...PICTURES];

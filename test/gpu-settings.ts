import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Imported first by tests that compute. Fixed seeds, so that a suite gives the same verdict every time and drivers
 * find its kernels in their caches; COOP_SEED tries another one, COOP_CASES=10 tries ten times as many cases.
 */
export const SEED = Number(process.env.COOP_SEED ?? 20220901);
export const MORE = Number(process.env.COOP_CASES ?? 1);

/** Relative distance of neighbouring float32 numbers, at most. */
export const EPS = 2 ** -23;

// llvmpipe would spend most of the time optimising kernels that run once; Mesa's cache hands what one process compiled to
// the next, optimised or not, so these keep to a cache of their own
process.env.GALLIVM_PERF ??= "nopt";
process.env.MESA_SHADER_CACHE_DIR ??= join(tmpdir(), `coop-tests-${process.env.GALLIVM_PERF}`);

// what somebody measured here before must not decide which kernels are tested
process.env.COOP_TUNE ??= "0";

// nor what somebody computed, and nothing that a test computes is kept
process.env.COOP_NO_CACHE ??= "1";

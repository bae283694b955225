import type { Method } from "./method.ts";
import { cocoop } from "./method-cocoop.ts";
import { coop, kgcoop, prograd } from "./method-coop.ts";
import { probe } from "./method-probe.ts";
import { ensemble, zeroShot } from "./method-zero-shot.ts";

/**
 * The kinds of methods that an experiment file can name.
 * @example METHODS.map(({ kind }) => kind);
 */
export const METHODS: readonly Method[] = [zeroShot, ensemble, probe, coop, cocoop, kgcoop, prograd];

import "./gpu-settings.ts";
import { device } from "../src/tensor/index.ts";

/** SwiftShader keeps what WGSL asks of sin and cos, an error of 2⁻¹¹ between −π and π, and no more. */
const coarse = /swiftshader/i.test((await device()).description);

/** Largest error of sin and cos. */
export const TRIGONOMETRIC_ERROR = coarse ? 2 ** -11 : 2 ** -20;
/** Their error as random numbers stand for it: SwiftShader's does not cancel in a mean. */
export const TRIGONOMETRIC_NOISE = coarse ? 2 ** -10 : 2 ** -24;

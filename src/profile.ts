/**
 * Where a program spends its time, and what it is made of, as data and as text.
 *
 * @module coop/profile
 */
export { type ChromeTrace, chromeTrace, type TraceEvent } from "./tensor/chrome-trace.ts";
export { graphText, planText, programText } from "./tensor/debug.ts";
export {
  type DispatchProfile,
  type ProfileOptions,
  type ProfileReport,
  type ProgramProfile,
  profile,
  startProfilingDevice,
  type TimelineEntry,
} from "./tensor/profile.ts";
export { type PrintOptions, printProfile } from "./tensor/profile-text.ts";

import type { TestEvent } from "node:test/reporters";

/** How one test ended. */
export interface Outcome {
  /** Of its suites and its own, with " > " between. */
  readonly name: string;
  readonly how: "passed" | "failed" | "skipped";
  /** Why it failed. */
  readonly why?: string;
}

/** What such a line begins with, to tell it from what tests print. */
const MARK = "\u0001outcome ";

/** The outcomes among the lines of stdout. */
export const outcomesIn = (stdout: string): Outcome[] =>
  stdout.split("\n").flatMap((line) => (line.startsWith(MARK) ? [JSON.parse(line.slice(MARK.length))] : []));

/**
 * A reporter of node:test: one line of JSON for each test that ended, suites left out. For stdout: tests that watch all
 * files that are opened would see another place.
 */
export default async function* outcomes(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const path: string[] = [];
  for await (const { type, data } of events) {
    if (type === "test:start") path.splice(data.nesting, Number.POSITIVE_INFINITY, data.name);
    if (type !== "test:pass" && type !== "test:fail") continue;
    const { details, nesting } = data;
    if (type === "test:pass" && details.type === "suite") continue; // a suite fails where its hooks do
    const name = [...path.slice(0, nesting), data.name].join(" > ");
    const error = type === "test:fail" ? (data.details.error.cause ?? data.details.error) : undefined;
    const outcome: Outcome = {
      name,
      how: type === "test:fail" ? "failed" : data.skip === undefined ? "passed" : "skipped",
      ...(error === undefined ? {} : { why: error instanceof Error ? error.message : String(error) }),
    };
    yield `\n${MARK}${JSON.stringify(outcome)}\n`;
  }
}

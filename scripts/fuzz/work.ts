import { createHash } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Coverage } from "./coverage.ts";
import { type Explored, explore } from "./explore.ts";
import { type Fault, judge, type Verdict } from "./judge.ts";
import { randomFrom } from "./random.ts";
import { TARGETS } from "./targets.ts";

/** What one process is asked to do: search with a target, or give it a file once more. */
export interface Job {
  readonly target: string;
  readonly inputs: number;
  readonly seed: number | string;
  /** where the input at hand, the kept inputs and the findings lie */
  readonly folder: string;
  readonly replay?: string;
}

/** What it tells the process that started it. */
export type Report =
  | { readonly kind: "progress"; readonly inputs: number }
  | { readonly kind: "finding"; readonly fault: Fault; readonly text: string; readonly file: string }
  | { readonly kind: "replayed"; readonly verdict: Verdict }
  | ({ readonly kind: "done"; readonly coverage: ReturnType<Coverage["summary"]>; readonly peak: number } & Explored);

/** The file of the input at hand: eight bytes, its number or 0 between two inputs, then the input. */
export const AT_HAND = "at-hand.bin";
const PROGRESS = 200;

/** Does a job in this process and reports on it. */
export async function work(job: Job, report: (report: Report) => void): Promise<void> {
  const target = TARGETS.find(({ name }) => name === job.target);
  if (!target)
    throw new Error(`there is no target ${job.target}; there are ${TARGETS.map(({ name }) => name).join(", ")}`);
  if (job.replay !== undefined) {
    const [whole] = await target.seeds(randomFrom("replay"));
    await judge(target, whole); // what is loaded or compiled at first use is not the input's doing
    return report({ kind: "replayed", verdict: await judge(target, new Uint8Array(readFileSync(job.replay)), true) });
  }
  const corpus = join(job.folder, "corpus");
  mkdirSync(corpus, { recursive: true });
  const known = readdirSync(corpus).map((name) => new Uint8Array(readFileSync(join(corpus, name))));
  const atHand = openSync(join(job.folder, AT_HAND), "w");
  const mark = new BigUint64Array(1);
  let inputs = 0;
  const seen = new Set<string>();
  const coverage = new Coverage(target.files);
  const found = await explore(target, {
    inputs: job.inputs,
    seed: job.seed,
    coverage,
    known,
    onInput(bytes) {
      ftruncateSync(atHand, 8 + bytes.length);
      writeSync(atHand, bytes, 0, bytes.length, 8);
      mark[0] = BigInt(++inputs);
      writeSync(atHand, new Uint8Array(mark.buffer), 0, 8, 0);
    },
    onVerdict({ fault }, bytes) {
      mark[0] = 0n;
      writeSync(atHand, new Uint8Array(mark.buffer), 0, 8, 0);
      if (inputs % PROGRESS === 0) report({ kind: "progress", inputs });
      if (!fault || seen.has(signature(fault.kind, fault.text))) return;
      seen.add(signature(fault.kind, fault.text));
      report({ kind: "finding", fault: fault.kind, text: fault.text, file: keep(job, fault.kind, bytes) });
    },
    onKept: (bytes) => writeFileSync(join(corpus, hash(bytes)), bytes),
  });
  closeSync(atHand);
  report({ kind: "done", coverage: coverage.summary(), peak: 1024 * process.resourceUsage().maxRSS, ...found });
}

/** Keeps an input as a finding; returns its file. */
export function keep({ folder, target }: Job, fault: Fault, bytes: Uint8Array): string {
  const file = join(folder, `${fault}-${target}-${hash(bytes)}.bin`);
  writeFileSync(file, bytes);
  return file;
}

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 12);

/** What faults of one cause have in common: their kind, and of a crash where it was thrown and its message but for names and numbers. */
function signature(kind: Fault, text: string): string {
  if (kind === "memory") return `${kind} ${Math.ceil(Math.log2(Number.parseInt(text, 10)))}`;
  if (kind !== "crash") return kind;
  const [message, ...frames] = text.split("\n");
  return [kind, message.replace(/[^a-zA-Z ]+/g, "").slice(0, 40), ...frames.slice(0, 2)].join("\n");
}

if (process.send) {
  const send = (report: Report) => void process.send!(report);
  process.once("message", (job: Job) => {
    work(job, send).then(
      () => process.disconnect(),
      (error) => {
        console.error(error);
        process.exit(70);
      },
    );
  });
}

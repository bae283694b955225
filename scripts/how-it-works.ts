/**
 * `npm run docs:how` writes what the library prints into docs/how-it-works.md, between the marks `<!-- printed: NAME -->`
 * and `<!-- /printed -->`. What is printed is what a GPU with subgroups of 32 lanes and 8 storage buffers would run,
 * whatever adapter there is, so that a test can compare the page with it anywhere.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Clip, loadClip } from "../src/clip/index.ts";
import { layoutPrompts, type Position, packPrompts, promptLearner } from "../src/coop/index.ts";
import { grad, key, mean, mul, realize, sgd, tanh, valueAndGrad } from "../src/index.ts";
import { graphText, planText, programText } from "../src/tensor/debug.ts";
import type { Load } from "../src/tensor/expr.ts";
import { bytesOf, lower } from "../src/tensor/lower.ts";
import { plan } from "../src/tensor/plan.ts";
import { PLACEHOLDER, Tensor, tensor } from "../src/tensor/tensor.ts";
import { treeLeaves, treeMap } from "../src/tensor/tree.ts";
import { contiguous } from "../src/tensor/view.ts";
import { TASKS } from "../src/world/index.ts";

const PAGE = fileURLToPath(new URL("../docs/how-it-works.md", import.meta.url));
const GPU = { adapter: "hardware", subgroupLanes: 32, maxBindings: 8 } as const;
const CONTEXT = 16;
const { classNames } = TASKS.above;

/** Everything that the page prints, by the name of its mark. */
export async function printed(): Promise<Map<string, string>> {
  const clip = await loadClip(fileURLToPath(new URL("../models/tiny-clip", import.meta.url)));
  const step = programOf(clip, false);
  const plain = programOf(clip, true);
  const texts = new Map([
    ["small graph", smallGraph()],
    ["rows", rowsTable(clip)],
    ["graph", step.graph],
    ["sizes", sizesTable(step, plain)],
    ["program", programText(step)],
    ["plan", planText(step.plan)],
  ]);
  clip.free();
  return texts;
}

/** The page with what is printed now in its marked places. */
export function filled(page: string, texts: ReadonlyMap<string, string>): string {
  return page.replace(/(<!-- printed: ([\w ]+) -->\n)[\s\S]*?(<!-- \/printed -->)/g, (_, start, name, end) => {
    const text = texts.get(name);
    if (text === undefined) throw new Error(`${PAGE}: nothing is printed that is called "${name}"`);
    return `${start}${text.startsWith("|") ? `\n${text}\n` : `\`\`\`text\n${text}\n\`\`\``}\n${end}`;
  });
}

/** A function of three ops, and the same with the gradient's nodes behind it. */
function smallGraph(): string {
  const w = realize(tensor([0.5, -1]));
  const x = realize(tensor([1, 2]));
  const loss = (p: Tensor) => mean(tanh(mul(p, x)));
  return `${graphText([loss(w)])}\n\n${graphText([grad(loss)(w)])}`;
}

/** A training step of CoOp on placeholders, lowered and planned. */
function programOf(clip: Clip, plainly: boolean) {
  const learner = promptLearner(clip, classNames, { contextTokens: CONTEXT, plain: plainly });
  const optimizer = sgd({ learningRate: 0.002, momentum: 0.9, weightDecay: 5e-4 });
  const params = learner.init(key(0));
  const loads = new Map<Tensor, Load>();
  const argument = ({ shape, dtype }: Pick<Tensor, "shape" | "dtype">): Tensor => {
    const node = new Tensor(PLACEHOLDER, [], { shape, dtype }, shape, dtype);
    const buffer = { id: -2 - loads.size, kind: "input", bytes: bytesOf(shape, dtype), dtype } as const;
    loads.set(node, { kind: "load", buffer, view: contiguous(shape), dtype });
    return node;
  };
  const [p, s] = [treeMap(argument, params), treeMap(argument, optimizer.init(params))] as [
    typeof params,
    ReturnType<typeof optimizer.init>,
  ];
  const batch = {
    features: argument({ shape: [32, clip.config.embedDim], dtype: "f32" }),
    labels: argument({ shape: [32], dtype: "i32" }),
  };
  const [loss, grads] = valueAndGrad(learner.loss)(p, batch);
  const roots = [...treeLeaves<Tensor>(optimizer.update(grads, s, p)), loss];
  const { dispatches } = lower(roots, loads, GPU);
  return {
    graph: graphText([loss]),
    nodes: graphText(roots).split("\n").length - 1,
    dispatches,
    plan: plan(dispatches),
  };
}

type StepProgram = ReturnType<typeof programOf>;

function sizesTable(step: StepProgram, plain: StepProgram): string {
  const flops = ({ dispatches }: StepProgram) => dispatches.reduce((sum, { work }) => sum + work.flops, 0);
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const row = (name: string, of: (program: StepProgram) => string) => `| ${name} | ${of(step)} | ${of(plain)} |`;
  return [
    "| one step | coop | every prompt at full length |",
    "|---|---|---|",
    row("nodes of the graph", ({ nodes }) => String(nodes)),
    row("kernel launches", ({ dispatches }) => String(dispatches.length)),
    row("arithmetic operations", (program) => `${(flops(program) / 1e6).toFixed(1)} million`),
    row("buffers in between", ({ plan }) => `${plan.slotOf.size} in ${plan.slots.length} slots`),
    row("their bytes", ({ plan }) => megabytes(plan.peakBytes)),
    row("bytes alive at most", ({ plan }) => megabytes(plan.liveBytes)),
  ].join("\n");
}

/** How many rows the layers of the text tower compute. */
function rowsTable(clip: Clip): string {
  const count = (position: Position, classSpecific: boolean, plain = false) => {
    const prompts = layoutPrompts(clip, classNames, { contextTokens: CONTEXT, position, classSpecific });
    const vectors = CONTEXT * (classSpecific ? classNames.length : 1);
    return packPrompts(clip, prompts, { vectors, plain }).tokens.shape[0];
  };
  const line = (name: string, cropped: number, position: Position, classSpecific: boolean) =>
    `| ${name} | ${count(position, classSpecific, true)} | ${cropped} | ${count(position, classSpecific)} |`;
  const cropped = (position: Position) =>
    layoutPrompts(clip, classNames, { contextTokens: CONTEXT, position, classSpecific: false }).flat().length;
  return [
    "| rows of the text tower | at full length | cropped | cropped and shared |",
    "|---|---|---|---|",
    line("name at the end", cropped("end"), "end", false),
    line("name in the middle", cropped("middle"), "middle", false),
    line("name in front", cropped("front"), "front", false),
    line("a context for each class", cropped("end"), "end", true),
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, filled(readFileSync(PAGE, "utf8"), await printed()));
  process.exit();
}

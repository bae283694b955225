import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkpoint, grad, sgd, valueAndGrad } from "../src/autograd/index.ts";
import {
  chromeTrace,
  graphText,
  type ProfileReport,
  planText,
  printProfile,
  profile,
  programText,
} from "../src/profile.ts";
import { prepareDebug } from "../src/tensor/debugging.ts";
import { add, compile, exp, gather, matmul, mul, softmax, sum, type Tensor, tensor } from "../src/tensor/index.ts";

const numbers = (rows: number, columns: number, salt = 1): Tensor =>
  tensor(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(salt + 12.9898 * i)),
    [rows, columns],
  );

function residual(x: Tensor, w: Tensor): Tensor {
  return add(x, matmul(x, w));
}

const near = (a: number, b: number) =>
  assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${a} is not ${b}`);

/** One program of that name, and its sums agree with its parts. */
function programOf(report: ProfileReport, name: string) {
  const found = report.programs.filter((program) => program.name === name);
  assert.equal(found.length, 1, report.programs.map((program) => program.name).join());
  const [program] = found;
  for (const key of ["ms", "flops", "bytes"] as const) {
    near(
      program[key],
      program.dispatches.reduce((total, dispatch) => total + dispatch[key], 0),
    );
  }
  return program;
}

/** A training step on two parameters, run four times; its last loss and parameters. */
async function train(profiled: boolean) {
  const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
  const loss = (p: { w: Tensor }, x: Tensor) => sum(mul(softmax(residual(x, p.w)), x));
  const step = compile(
    (p: { w: Tensor }, state: ReturnType<typeof optimizer.init>, x: Tensor, rate: number | Tensor) => {
      const [value, gradients] = valueAndGrad(loss)(p, x);
      return [...optimizer.update(gradients, state, p, rate), value] as const;
    },
    { donate: [0, 1], name: "step", kernelsOnly: true },
  );
  let p = { w: numbers(24, 24) };
  let state = optimizer.init(p);
  const x = numbers(7, 24, 2);
  const losses: number[] = [];
  const run = async () => {
    for (let i = 0; i < 4; i++) {
      const [next, nextState, value] = step(p, state, x, 0.1 / (i + 1));
      [p, state] = [next, nextState];
      losses.push(await value.item());
    }
  };
  const report = profiled ? await profile(run) : undefined;
  if (!profiled) await run();
  return { losses, w: await p.w.data(), report };
}

describe("profile", () => {
  test("counts and times every dispatch of a matrix product", async () => {
    const f = compile((a: Tensor, b: Tensor) => matmul(a, b), { name: "product" });
    const [a, b] = [numbers(33, 65), numbers(65, 17)];
    const report = await profile(async () => {
      for (let i = 0; i < 3; i++) await f(a, b).data();
    });
    const program = programOf(report, "product");
    assert.equal(program.runs, 3);
    assert.equal(program.dispatches.length, 1);
    const [dispatch] = program.dispatches;
    assert.equal(dispatch.op, "matmul");
    assert.match(dispatch.label, /^matmul/);
    assert.equal(dispatch.flops, 2 * 33 * 65 * 17);
    assert.equal(dispatch.bytes, 4 * (33 * 65 + 65 * 17 + 33 * 17));
    assert.ok(dispatch.ms > 0);
    assert.ok(report.peaks.gflops > 0 && report.peaks.gbps > 0);
    const least = Math.max(dispatch.flops / report.peaks.gflops, dispatch.bytes / report.peaks.gbps) / 1e6;
    near(dispatch.roofline, least / dispatch.ms);
  });

  test("counts the operations and the elements of generated kernels, not the sizes of buffers", async () => {
    const f = compile(
      (table: Tensor, index: Tensor, x: Tensor) => [gather(table, index), sum(exp(x), 1), mul(add(x, 1), x)],
      { name: "generated" },
    );
    const index = tensor(Int32Array.of(5, 9, 5));
    const report = await profile(() => sum(f(numbers(1000, 8), index, numbers(16, 32))[1]).data());
    const program = programOf(report, "generated");
    const of = (label: string) => program.dispatches.find((dispatch) => dispatch.label === label)!;
    assert.equal(of("gather").bytes, 4 * (3 + 2 * 3 * 8));
    // neither needs the other, so they share a launch
    assert.equal(of("exp+sum | add+mul").flops, 2 * 16 * 32 + 2 * 16 * 32);
    assert.equal(of("exp+sum | add+mul").bytes, 4 * (16 * 32 + 16) + 4 * 2 * 16 * 32);
  });

  test("gives the same values as without", async () => {
    const plain = await train(false);
    const seen = await train(true);
    assert.deepEqual(seen.losses, plain.losses);
    assert.deepEqual(seen.w, plain.w);
    assert.equal(programOf(seen.report!, "step").runs, 4);
  });

  test("without timestamps each dispatch is waited for, and the values are the same", async () => {
    const f = compile((x: Tensor, w: Tensor, scale: number | Tensor) => mul(softmax(residual(x, w)), scale), {
      name: "scaled",
    });
    const [x, w] = [numbers(9, 24), numbers(24, 24)];
    const run = () => Promise.all([1, 2, 3].map((scale) => f(f(x, w, scale), w, scale).data()));
    const expected = await run();
    let got: typeof expected = [];
    const report = await profile(
      async () => {
        got = await run();
      },
      { method: "submissions" },
    );
    assert.deepEqual(got, expected);
    assert.equal(report.method, "submissions");
    assert.equal(programOf(report, "scaled").runs, 6);
    assert.ok(programOf(report, "scaled").dispatches.every(({ ms }) => ms > 0));
    assert.match(printProfile(report), /submitted alone/);
  });

  test("names the caller's line, and for a gradient the line of what is differentiated", async () => {
    const { report } = await train(true);
    const { dispatches } = programOf(report!, "step");
    const products = dispatches.filter(({ op }) => op.startsWith("matmul")).map(({ site }) => site);
    assert.ok(
      products.some((site) => /^profile\.test\.ts:\d+ residual < profile\.test\.ts:\d+ loss$/.test(site ?? "")),
    );
    assert.ok(products.some((site) => /^∇ profile\.test\.ts:\d+ residual/.test(site ?? "")));
  });

  test("a checkpointed function is named where it is replayed; nothing is captured outside a profile", async () => {
    const f = () => grad(checkpoint((x: Tensor) => sum(exp(residual(x, x)))))(numbers(8, 8));
    const report = await profile(() => f().data());
    const sites = report.programs.flatMap(({ dispatches }) => dispatches.map(({ site }) => site ?? ""));
    assert.ok(sites.some((site) => site.startsWith("profile.test.ts")));
    assert.doesNotMatch(graphText([f()]), /profile\.test/);
  });

  test("a trace holds every launch, and its durations add up", async () => {
    const { report } = await train(true);
    const trace = JSON.parse(JSON.stringify(chromeTrace(report!)));
    const spans = trace.traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    assert.equal(spans.length, report!.timeline.length);
    assert.equal(
      spans.length,
      report!.programs.reduce((n, { runs, dispatches }) => n + runs * dispatches.length, 0),
    );
    for (const span of spans) {
      assert.ok(span.ts >= 0 && span.dur >= 0);
      assert.deepEqual(Object.keys(span.args).sort(), ["bytes", "flops", "op", "site", "workgroups"]);
    }
    near(
      spans.reduce((total: number, { dur }: { dur: number }) => total + dur, 0) / 1000,
      report!.timeline.reduce((total, { ms }) => total + ms, 0),
    );
    const threads = trace.traceEvents.filter(({ name }: { name: string }) => name === "thread_name");
    assert.ok(threads.some(({ args }: { args: { name: string } }) => args.name === "step"));
  });

  test("the table names kernels, call sites, dispatches, slots and where the peaks come from", async () => {
    const { report } = await train(true);
    const program = programOf(report!, "step");
    const text = printProfile(report!, { program: "step", rows: 3 });
    assert.match(text, /^step: [\d.]+ ms in kernels, [\d.]+ ms a run, medians of 3 runs after the first/);
    assert.ok(text.includes(`${program.dispatches.length} dispatches`));
    assert.ok(text.includes(`${program.slots} slots of`));
    assert.match(text, /of roofline {2}kernel\n.*\n.*\n.*\n.* the rest\n/);
    assert.match(text, /of roofline {2}call site\n/);
    assert.match(text, /measured here, not looked up/);
  });
});

describe("DEBUG=coop", () => {
  /** What a small function prints under this DEBUG. */
  async function printed(debug: string): Promise<string> {
    const lines: string[] = [];
    const { error } = console;
    const before = process.env.DEBUG;
    process.env.DEBUG = debug;
    console.error = (line: string) => lines.push(line);
    try {
      await prepareDebug();
      const f = compile((x: Tensor, w: Tensor) => softmax(residual(x, w)), { name: "small", kernelsOnly: true });
      await f(numbers(4, 8), numbers(8, 8)).data();
    } finally {
      console.error = error;
      if (before === undefined) delete process.env.DEBUG;
      else process.env.DEBUG = before;
    }
    return lines.join("\n");
  }

  test("prints the graph, the program and the plan", async () => {
    const text = await printed("other, coop");
    assert.match(text, /coop:graph of small\n%0 +placeholder +f32\[4, 8\]\n%1 +placeholder +f32\[8, 8\]\n%2 +matmul/);
    assert.match(text, /%3 +add +f32\[4, 8\] +%0 %2\n%4 +softmax +f32\[4, 8\] +%3\nresults: %4\n/);
    assert.match(
      text,
      /coop:program of small\n0 +matmul.*\+add +1×1×1 +argument0 \(128 B\), argument1 \(256 B\) → b1 \(128 B\)/,
    );
    assert.match(text, /1 +softmax\S* +1×1×1 +b1 \(128 B\) → result2 \(128 B\)/);
    assert.match(text, /coop:plan of small\nslot 0 +128 B +b1\n1 buffers of 128 B in 1 slots of 128 B/);
    assert.doesNotMatch(text, /@compute/);
  });

  test("or some of it", async () => {
    assert.match(await printed("coop:plan"), /^coop:plan of small\n[^:]*$/);
    assert.match(await printed("coop:code"), /^coop:code of small\n\/\/ matmul[\s\S]*@compute/);
    assert.equal(await printed("scoop,coop2"), "");
  });
});

test("the launches and the plan of inspect() as text; buffers that take turns share a line", async () => {
  const f = compile(
    (x: Tensor, w: Tensor) => {
      let y = x;
      for (let i = 0; i < 4; i++) y = softmax(matmul(y, w));
      return y;
    },
    { kernelsOnly: true },
  );
  await f(numbers(4, 8), numbers(8, 8)).data();
  const [report] = f.inspect();
  assert.match(programText(report), /0 +matmul[\s\S]*\n7 +softmax/);
  assert.match(planText(report.plan), /slot 0 +128 B +b0 b2 b4 b6\n/);
});

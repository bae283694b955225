import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { strFromU8, unzipSync } from "fflate";
import { imageFeatures } from "../src/clip/clip.ts";
import { classify, loadClip } from "../src/clip/index.ts";
import { promptFeatures } from "../src/coop/predict.ts";
import { contextShape, parseAdapterConfig } from "../src/coop/run-config.ts";
import { parseMetricsJsonl, parseSplits, readAdapterModel } from "../src/coop/run-files.ts";
import { PICTURE_SIZE, taskPictures } from "../src/world/index.ts";
import { type Answers, PROBLEM_ERROR, type State } from "../web/protocol.ts";
import { noChromium } from "./chromium.ts";
import { openPageWorker, type PageWorker, TINY } from "./page-worker.ts";

const skip = await noChromium();
/** A drawn set, and a training that is short and yet better than zero-shot. */
const SET = "above";
const CLASSES = 10;
const EPOCHS = 12;

describe("the page's worker", { skip, timeout: 600_000 }, () => {
  let worker: PageWorker;
  /** Runs code in the page; `engine`, `state` and `until` are there. */
  const inPage = <T>(code: string): Promise<T> => worker.page.evaluate(`(async () => { ${code} })()`);
  const exported = async (): Promise<Record<string, Uint8Array>> => {
    const bytes = await inPage<number[]>(`return [...new Uint8Array(await (await engine.exportRun()).arrayBuffer())]`);
    return unzipSync(Uint8Array.from(bytes));
  };
  const adapter = (files: Record<string, Uint8Array>) => files["coop-run/adapter_model.safetensors"];
  const adapterText = async () => Buffer.from(adapter(await exported())).toString("base64");
  /** Begins a training that takes its time, so that something can be done in the middle of it. */
  const train = `new BroadcastChannel("slow").postMessage(100); await engine.train();`;
  const finished = `await until((s) => s.training.status === "finished");`;
  let uninterrupted: string;
  let pictures: Answers;

  before(async () => {
    worker = await openPageWorker();
    await inPage(`await begin();`);
  });
  after(() => worker?.close());

  test("starts with the model that comes with it", async () => {
    const { model, adapter, samples, problem, training } = await inPage<State>(`return state`);
    assert.equal(model.status, "ready");
    assert.match(adapter!, /swiftshader/i);
    assert.ok(samples.length >= 2);
    assert.equal(problem, undefined);
    assert.match(training.error!, /classes/);
  });

  test("a picture is answered soon after it comes", async () => {
    const { probabilities, milliseconds } = await inPage<{ probabilities: number[]; milliseconds: number }>(`
      await engine.addClass("red ball");
      await engine.addClass("blue star");
      const canvas = new OffscreenCanvas(300, 200);
      const context = canvas.getContext("2d");
      context.fillStyle = "red";
      context.arc(150, 100, 80, 0, 7);
      context.fill();
      const file = new File([await canvas.convertToBlob()], "a.png");
      const start = performance.now();
      await engine.addPictures("tries", [file]);
      await until((s) => s.tries[0]?.status === "encoded");
      const { probabilities } = await engine.answers("tries", "zero-shot");
      return { probabilities: [...probabilities], milliseconds: performance.now() - start }`);
    assert.equal(probabilities.length, 2);
    assert.ok(Math.abs(probabilities[0] + probabilities[1] - 1) < 1e-5);
    assert.ok(probabilities[0] > 0.5, `${probabilities}`);
    assert.ok(milliseconds < 10_000, `${milliseconds} ms`);
  });

  test("one bad file stops none of the others", async () => {
    const { added, tries } = await inPage<{ added: { added: number; refused: string[] }; tries: State["tries"] }>(`
      const canvas = new OffscreenCanvas(40, 40);
      canvas.getContext("2d");
      const png = await canvas.convertToBlob();
      const broken = new Blob([png.slice(0, 60)]);
      const added = await engine.addPictures("tries", [
        new File(["<html></html>"], "page.png"), new File([], "empty.png"), new File([broken], "cut.png"),
        new File([png], "good.png"), new File([png], "good.png")]);
      await until((s) => s.tries.length === 3 && s.tries.every(({ status }) => status !== "waiting"));
      return { added, tries: state.tries }`);
    assert.equal(added.added, 2);
    assert.match(
      added.refused.join("\n"),
      /page\.png.*text[\s\S]*empty\.png is empty[\s\S]*good\.png is there already/,
    );
    assert.deepEqual(
      tries.map(({ name, status }) => [name, status]),
      [
        ["a.png", "encoded"],
        ["cut.png", "unreadable"],
        ["good.png", "encoded"],
      ],
    );
    assert.match(tries[1].reason!, /cut\.png/);
  });

  test("what cannot be is refused in words", async () => {
    const refused = (call: string) => inPage<string>(`return ${call}.then(() => "done", (error) => error.message)`);
    assert.match(await refused(`engine.addClass("Red  Ball")`), /already/);
    assert.match(await refused(`engine.addClass(" ")`), /name/);
    assert.match(await refused(`engine.addPictures("nowhere", [])`), /class/);
    assert.match(await refused(`engine.loadModel("https://example.com/model/")`), /huggingface\.co only/);
    assert.match(await refused(`engine.loadModel("ViT-B/32")`), /huggingface\.co only/);
    assert.match(await refused(`engine.set({ shots: 0 })`), /shots/);
    assert.match(await refused(`engine.train()`), /no picture to learn from/);
    assert.match(await refused(`engine.resume()`), /no training/);
    assert.match(await refused(`engine.exportRun()`), /learned/);
    assert.match(await refused(`engine.importRun([new File(["x"], "x.zip")])`), /adapter_config/);
    assert.match(await refused(`engine.answers("tries", "prompt")`), /learned/);
    assert.match(await refused(`engine.loadSample("nothing")`), /counts/);
    assert.equal((await inPage<State>(`return state`)).model.status, "ready");
  });

  test("another model may come from the page's own origin; a download can be ended", async () => {
    const { stopped, after, ready } = await inPage<{ stopped: string; after: State; ready: State }>(`
      const loading = engine.loadModel("/slow/").catch((error) => error.message);
      await until((s) => s.model.status === "loading");
      await engine.cancelModel();
      const stopped = await loading;
      const after = await until((s) => s.model.status === "ready");
      await engine.loadModel("/model/");
      const ready = await until((s) => s.model.source === "/model/" && s.model.status === "ready" && s.tries.every((t) => t.status !== "waiting"));
      await engine.loadModel("tiny");
      return { stopped, after, ready }`);
    assert.match(stopped, /stopped/);
    assert.equal(after.model.source, "tiny");
    assert.equal(ready.model.status, "ready");
  });

  test("a model of the hub comes with progress, and the next time without the network", async () => {
    const context = worker.page.context();
    const headers = {
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "x-repo-commit",
      "x-repo-commit": "0123456789012345678901234567890123456789",
    };
    await context.route("https://huggingface.co/**", async (route) => {
      const path = join(TINY, basename(new URL(route.request().url()).pathname));
      await route.fulfill({ path, headers }).catch(() => route.fulfill({ status: 404, headers }));
    });
    const loaded = await inPage<State["model"]>(`
      await engine.loadModel("someone/tiny");
      return (await until((s) => s.model.source === "someone/tiny" && s.model.status === "ready")).model`);
    assert.equal(loaded.error, undefined);
    await context.unroute("https://huggingface.co/**");
    await context.route("https://huggingface.co/**", (route) => route.abort());
    const again = await inPage<State["model"]>(`
      worker.terminate();
      await begin();
      const { model } = await until((s) => s.model.status !== "loading");
      await engine.loadModel("tiny");
      return model`);
    assert.deepEqual(again, { status: "ready", source: "someone/tiny" });
    const failed = await inPage<{ message: string; model: State["model"] }>(`
      const message = await engine.loadModel("someone/else").catch((error) => error.message);
      return { message, model: (await until((s) => s.model.error)).model }`);
    assert.match(failed.message, /huggingface\.co cannot be reached/);
    assert.deepEqual([failed.model.status, failed.model.source], ["ready", "tiny"]);
    await context.unroute("https://huggingface.co/**");
  });

  test("where storage is full, what was kept stays, and what is removed makes room", async () => {
    const { refused, full, kept } = await inPage<{ refused: string; full: State; kept: State }>(`
      const storage = new BroadcastChannel("full");
      const say = (full) => new Promise((heard) => { storage.onmessage = heard; storage.postMessage(full); });
      const canvas = new OffscreenCanvas(50, 50);
      canvas.getContext("2d");
      const file = new File([await canvas.convertToBlob()], "another.png");
      await say(true);
      const refused = await engine.addPictures("tries", [file]).then(() => "", (error) => error.message);
      const full = await until((s) => s.problem);
      await say(false);
      await engine.removePicture(full.tries[0].id);
      return { refused, full, kept: await until((s) => !s.problem && s.tries.length < full.tries.length) }`);
    assert.match(refused, /no room/);
    assert.equal(full.problem!.kind, "storage");
    assert.equal(kept.tries.length, full.tries.length - 1);
  });

  test("the page in a second tab keeps off", async () => {
    const second = await inPage<State>(`
      const first = { worker, engine, state };
      await begin();
      const second = await until((s) => s.problem, 20000);
      worker.terminate();
      Object.assign(globalThis, first);
      return second`);
    assert.equal(second.problem!.kind, "storage");
    assert.match(second.problem!.message, /another tab/);
  });

  test("a drawn set: zero-shot and probe at once, then a training that beats zero-shot", async () => {
    const { scores, classes } = await inPage<State>(`
      await engine.clear();
      await engine.loadSample("${SET}");
      return until((s) => s.scores["zero-shot"] && s.scores.probe, 120000);`);
    const zeroShot = scores["zero-shot"]!;
    assert.equal(classes.length, CLASSES);
    assert.equal(zeroShot.count, 4 * CLASSES, "a fifth is held out");

    const { training, scores: after } = await inPage<State>(`
      await engine.set({ epochs: ${EPOCHS}, contextTokens: 4 });
      ${train}
      await until((s) => s.training.status === "running");
      ${finished}
      return until((s) => s.scores.prompt && s.scores.probe);`);
    assert.equal(training.epochs.length, EPOCHS);
    assert.equal(training.outdated, false);
    assert.ok(after.prompt!.correct > zeroShot.correct, `${after.prompt!.correct} against ${zeroShot.correct}`);
    const last = training.epochs.at(-1)!;
    assert.equal(last.heldOutAccuracy, after.prompt!.correct / after.prompt!.count);
    assert.ok(last.loss < training.epochs[0].loss);
    uninterrupted = await adapterText();
  });

  test("a training need not wait for the pictures that are held out", async () => {
    const state = await inPage<State>(`
      await engine.loadSample("${SET}");
      await engine.set({ epochs: 2 });
      await engine.train();
      ${finished}
      await until((s) => s.scores.prompt);
      await engine.set({ epochs: ${EPOCHS} });
      return state`);
    assert.equal(state.scores.prompt!.count, 4 * CLASSES);
    const config = parseAdapterConfig(strFromU8((await exported())["coop-run/adapter_config.json"]));
    assert.equal(config.metrics!.coop.total, 4 * CLASSES);
    await inPage(`
      ${train}
      await until((s) => s.training.status === "running");
      ${finished}`);
    uninterrupted = await adapterText();
  });

  test("the prompt of every epoch can be asked, and read as words", async () => {
    const { first, last, words } = await inPage<{ first: number[]; last: number[]; words: unknown[] }>(`
      const ask = async (epoch) => [...(await engine.answers("held-out", "prompt", epoch)).probabilities];
      return { first: await ask(1), last: await ask(), words: await engine.words() }`);
    assert.equal(first.length, last.length);
    assert.notDeepEqual(first, last);
    assert.equal(words.length, 4);
    assert.deepEqual(Object.keys(words[0] as object), ["vector", "nearest", "random"]);
  });

  test("the exported prompt answers here as it does there", async () => {
    const files = await exported();
    assert.deepEqual(Object.keys(files).sort(), [
      "coop-run/README.md",
      "coop-run/adapter_config.json",
      "coop-run/adapter_model.safetensors",
      "coop-run/metrics.jsonl",
      "coop-run/report.html",
      "coop-run/splits.json",
    ]);
    const config = parseAdapterConfig(strFromU8(files["coop-run/adapter_config.json"]));
    const splits = parseSplits(strFromU8(files["coop-run/splits.json"]));
    assert.equal(parseMetricsJsonl(strFromU8(files["coop-run/metrics.jsonl"])).length, EPOCHS);
    assert.equal(splits.test.length, 4 * CLASSES);

    const answers = await inPage<{ pictures: string[]; probabilities: number[] }>(`
      const { pictures, probabilities } = await engine.answers("held-out", "prompt");
      const names = new Map(state.classes.flatMap((c) => c.pictures.map((p) => [p.id, c.name + "/" + p.name])));
      return { pictures: pictures.map((id) => names.get(id)), probabilities: [...probabilities] }`);
    assert.deepEqual(new Set(answers.pictures), new Set(splits.test.map(({ path }) => path)));

    const drawn = taskPictures(SET, { perClass: 20, seed: 1, split: "train" });
    const clip = await loadClip("models/tiny-clip");
    const images = answers.pictures.map((path) => {
      const [, name, number] = /^(.*)\/.*-(\d+)\.png$/.exec(path)!;
      const index = drawn.classNames.indexOf(name) * 20 + Number(number) - 1;
      return clip.preprocess({ width: PICTURE_SIZE, height: PICTURE_SIZE, data: drawn.pixels[index] });
    });
    const { context } = await readAdapterModel(adapter(files), config);
    const prompt = { context, shape: contextShape(config), position: config.options.position };
    const features = await promptFeatures(clip, config.classes, prompt);
    const probabilities = await classify(clip, await imageFeatures(clip, images), features);
    const apart = probabilities.reduce((most, p, i) => Math.max(most, Math.abs(p - answers.probabilities[i])), 0);
    assert.ok(apart < 1e-3, `${apart}`);
    clip.free();
  });

  test("a training that is held and goes on ends with the same bits", async () => {
    const held = await inPage<number[]>(`
      ${train}
      await until((s) => s.training.status === "running" && s.training.epochs.length >= 3);
      await engine.pause();
      const { length } = (await until((s) => s.training.status === "paused")).training.epochs;
      await new Promise((done) => setTimeout(done, 300));
      const later = state.training.epochs.length;
      await engine.resume();
      ${finished}
      return [length, later, state.training.epochs.length]`);
    assert.equal(held[0], held[1]);
    assert.equal(held[2], EPOCHS);
    assert.equal(await adapterText(), uninterrupted);
  });

  test("a worker that is killed loses nothing but the epoch under way", async () => {
    const { before, restored, after } = await inPage<Record<"before" | "restored" | "after", State>>(`
      ${train}
      await until((s) => s.training.status === "running" && s.training.epochs.length >= 4);
      worker.terminate();
      const before = state;
      await begin();
      const restored = await until((s) => s.model.status === "ready" && s.classes.length === ${CLASSES});
      await engine.resume();
      const after = await until((s) => s.training.status === "finished");
      return { before, restored, after }`);
    assert.equal(restored.training.status, "paused");
    assert.ok(restored.training.epochs.length >= before.training.epochs.length);
    assert.deepEqual(restored.classes, before.classes);
    assert.equal(after.training.epochs.length, EPOCHS);
    assert.equal(await adapterText(), uninterrupted);
  });

  test("a device that is lost is told, and a fresh worker goes on", async () => {
    const { asked, lost, refused } = await inPage<{ asked: Error; lost: State; refused: string }>(`
      ${train}
      await until((s) => s.training.status === "running" && s.training.epochs.length >= 4);
      new BroadcastChannel("destroy").postMessage("now");
      let asked;
      while (!asked)
        await engine.answers("held-out", "zero-shot").catch(({ name, message }) => { asked = { name, message } });
      const lost = await until((s) => s.problem);
      const refused = await engine.addClass("more").catch((error) => error.message);
      worker.terminate();
      await begin();
      await engine.resume();
      ${finished}
      return { asked, lost, refused }`);
    assert.equal(lost.problem!.kind, "device-lost");
    assert.deepEqual(asked, { name: PROBLEM_ERROR, message: lost.problem!.message });
    assert.match(refused, /device/);
    assert.equal(await adapterText(), uninterrupted);
  });

  test("stop keeps the epochs so far; a change after that outdates the prompt", async () => {
    const { stopped, outdated, refused } = await inPage<{ stopped: State; outdated: State; refused: string }>(`
      ${train}
      await until((s) => s.training.status === "running" && s.training.epochs.length >= 2);
      await engine.stop();
      const stopped = await until((s) => s.training.status === "stopped");
      const [{ id, name }] = state.classes;
      await engine.renameClass(id, "something else");
      const outdated = await until((s) => s.training.outdated);
      const refused = await engine.resume().catch((error) => error.message);
      await engine.renameClass(id, name);
      await until((s) => !s.training.outdated);
      await engine.resume();
      ${finished}
      return { stopped, outdated, refused }`);
    assert.ok(stopped.training.epochs.length < EPOCHS);
    assert.equal(outdated.training.outdated, true);
    assert.match(refused, /from the beginning/);
    assert.equal(await adapterText(), uninterrupted);
  });

  test("an exported run can be imported again, and answers the same", async () => {
    pictures = await inPage<Answers>(`
      const [{ pictures: [{ id }] }] = state.classes;
      globalThis.zip = new File([await engine.exportRun()], "run.zip");
      globalThis.classes = state.classes.map(({ name }) => name);
      globalThis.tried = new File([await engine.thumbnail(id)], "try.png");
      await engine.addPictures("tries", [tried]);
      await until((s) => s.tries.at(-1)?.status === "encoded");
      const { probabilities } = await engine.answers("tries", "prompt");
      return { probabilities: [...probabilities] }`);
    const { state, probabilities } = await inPage<{ state: State; probabilities: number[] }>(`
      await engine.clear();
      await until((s) => s.classes.length === 0 && s.tries.length === 0 && s.training.epochs.length === 0);
      await engine.importRun([zip]);
      await engine.addPictures("tries", [tried]);
      await until((s) => s.tries[0]?.status === "encoded");
      const { probabilities } = await engine.answers("tries", "prompt");
      return { state, probabilities: [...probabilities] }`);
    assert.equal(state.training.status, "finished");
    assert.deepEqual(
      state.classes.map(({ name }) => name),
      await inPage(`return classes`),
    );
    const before = Array.from(pictures.probabilities).slice(-CLASSES);
    probabilities.forEach((p, i) => assert.ok(Math.abs(p - before[i]) < 1e-5));
  });

  test("without WebGPU the page says what to do", async () => {
    const { problem } = await inPage<State>(`
      worker.terminate();
      await begin("/no-gpu.js");
      return until((s) => s.problem)`);
    assert.equal(problem!.kind, "no-webgpu");
    assert.match(problem!.message, /browser/i);
  });

  test("nothing was asked of any other origin than the hub", () => {
    const { origin } = new URL(worker.page.url());
    assert.ok(worker.requests.length > 5);
    const hub = "https://huggingface.co/";
    assert.deepEqual(
      worker.requests.filter(
        (address) => ![origin, hub].some((known) => address.startsWith(known)) && !address.startsWith("blob:"),
      ),
      [],
    );
  });
});

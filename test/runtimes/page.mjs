// The smoke suite in a page: by the names of its import map, or, asked for with ?worker, in a worker by addresses.
const NAMES = ["coop", "coop/clip", "coop/prompt", "@huggingface/tokenizers"];

async function inPage() {
  const [coop, clip, prompt, { smoke }] = await Promise.all([...NAMES.slice(0, 3), "./smoke.js"].map((n) => import(n)));
  return smoke({ coop, clip, prompt, model: new URL("model", location.href).href, readFile });
}

async function readFile(name) {
  return new Uint8Array(await (await fetch(`goldens/${name}`)).arrayBuffer());
}

function inWorker() {
  const worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(NAMES.map((name) => import.meta.resolve(name)));
  });
}

globalThis.verdicts = location.search === "?worker" ? inWorker() : inPage();

// The smoke suite in a dedicated worker. Import maps are the page's alone: it sends the addresses of the modules.
import { smoke } from "./smoke.js";

onmessage = async ({ data: [coop, clip, prompt, tokenizers] }) => {
  const modules = await Promise.all([coop, clip, prompt].map((address) => import(address)));
  const verdicts = await smoke({
    coop: modules[0],
    clip: modules[1],
    prompt: modules[2],
    model: new URL("model", location.href).href,
    loadOptions: { tokenizerLibrary: () => import(tokenizers) },
    readFile: async (name) => new Uint8Array(await (await fetch(`goldens/${name}`)).arrayBuffer()),
  });
  postMessage(verdicts);
};

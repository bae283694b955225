import { existsSync } from "node:fs";
import { checkFilePlace, writeFileAtomic } from "../coop/atomic.ts";
import { referenceCheckpoint } from "../coop/reference-prompt.ts";
import { promptWords } from "../coop/reference-words.ts";
import { readPrompt } from "../coop/run-folder.ts";
import { InputError } from "../tensor/errors.ts";
import { type Command, MODEL_FLAG } from "./command.ts";
import { print, printJson } from "./print.ts";
import { openPrompt } from "./prompt.ts";

export const exportCommand: Command = {
  summary: "Writes a learned prompt as a checkpoint that PyTorch and the reference implementation load.",
  usage: "RUN --out model.pth.tar-EPOCH",
  details: `The reference takes it as <dir>/prompt_learner/model.pth.tar-<epoch>, with --model-dir <dir> --load-epoch <epoch> --eval-only.`,
  flags: {
    out: { value: "FILE", help: "the file to write, which must not exist yet" },
    epoch: {
      value: "N",
      help: "the epoch that it says (default: the number at FILE's end, else that of the training)",
    },
    full: {
      help: "with token_prefix and token_suffix, as the reference writes them; it does not need them. Loads the model",
    },
    model: { ...MODEL_FLAG, help: "with --full: folder or address of the model" },
  },
  async run(input) {
    const dir = input.only("RUN");
    const out = input.required("out");
    await checkFilePlace(out);
    if (existsSync(out)) throw new InputError(`${out} is there already. Choose another --out, or delete it first.`);
    const opened = input.has("full") ? await openPrompt(input, dir) : undefined;
    const { config, context, shape, metaNet } = opened?.prompt ?? (await readPrompt(dir));
    const ended = /-(\d+)$/.exec(out)?.[1];
    const epoch = input.whole("epoch", Number(ended ?? config.recipe?.epochs ?? 0), 0);
    const words = opened && (await promptWords(opened.clip, config.classes, config.options.contextTokens));
    opened?.clip.free();
    const network = metaNet && { linear1: shaped(metaNet.linear1), linear2: shaped(metaNet.linear2) };
    const prompt = { context: { data: context, shape }, metaNet: network, ...words };
    await writeFileAtomic(out, referenceCheckpoint(prompt, epoch));

    const { contextTokens, classSpecific, position } = config.options;
    const settings = metaNet
      ? [["TRAINER.COCOOP.N_CTX", `${contextTokens}`]]
      : [
          ["TRAINER.COOP.N_CTX", `${contextTokens}`],
          ["TRAINER.COOP.CSC", classSpecific ? "True" : "False"],
          ["TRAINER.COOP.CLASS_TOKEN_POSITION", position],
        ];
    if (input.has("json")) printJson({ run: dir, shape, epoch, out, settings: Object.fromEntries(settings) });
    else
      print(
        `saved ${out}   ctx [${shape.join(", ")}]   epoch ${epoch}\nreference   ${settings.map((pair) => pair.join(" ")).join(" ")}`,
      );
    return 0;
  },
};

/** A linear layer with its shapes, [out, in] and [out]. */
function shaped({ weight, bias }: { readonly weight: Float32Array; readonly bias: Float32Array }) {
  const [out, inputs] = [bias.length, weight.length / bias.length];
  return { weight: { data: weight, shape: [out, inputs] }, bias: { data: bias, shape: [out] } };
}

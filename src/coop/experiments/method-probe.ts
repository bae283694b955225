import { featureRows } from "../feature-rows.ts";
import { fitLinearProbe, type LinearProbe, predictProbe } from "../linear-probe.ts";
import { searchProbe } from "../probe-search.ts";
import { type FitTask, type Fitted, type Method, type Pictures, together } from "./method.ts";

/** Folds of the shots where there are no other pictures to choose C by. */
const FOLDS = 4;

/** Logistic regression on features (Radford et al., §3.2, as CoOp's comparison): C by validation, or `C`. */
export const probe: Method = {
  kind: "probe",
  keys: ["C"],
  read(fields) {
    const given = fields.has("C") ? fields.number("C") : null;
    if (given !== null && given <= 0) throw fields.wrong("C", "must be above 0");
    return {
      learns: true,
      namesNewClasses: false,
      resolve: () => ({ C: given }),
      async open({ clip, classNames, pool }) {
        const width = clip.config.embedDim;
        const fit = async ({ rows, labels, validation, shots }: FitTask): Promise<Fitted> => {
          const examples = { features: featureRows(pool, width, rows), labels };
          const options = { classes: classNames.length };
          const by = validation ?? Math.min(FOLDS, shots);
          const fitted =
            given === null && by !== 1
              ? (await searchProbe(examples, by, options)).probe
              : await fitLinearProbe(examples, { ...options, C: given ?? 1 });
          const { C, iterations, loss, converged } = fitted;
          return {
            predict: (pictures, names) => predict(fitted, pictures, classNames, names),
            loss: loss / (C * labels.length),
            steps: iterations,
            found: { C, converged },
          };
        };
        return { fit: (tasks) => together(tasks.map(fit)), free() {} };
      },
    };
  },
};

/** The answers among some of the classes. */
async function predict(all: LinearProbe, { features }: Pictures, known: readonly string[], asked: readonly string[]) {
  const width = all.weight.length / all.bias.length;
  const at = asked.map((name) => known.indexOf(name));
  const weight = new Float32Array(at.length * width);
  at.forEach((k, i) => {
    weight.set(all.weight.subarray(k * width, (k + 1) * width), i * width);
  });
  return predictProbe({ weight, bias: Float32Array.from(at, (k) => all.bias[k]) }, features);
}

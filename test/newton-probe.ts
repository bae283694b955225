// Multinomial logistic regression by damped Newton steps in float64 on the host: shares nothing with what it is compared with.

/** The lowest ½‖W‖² + C·Σ crossEntropy(xᵢWᵀ + b, yᵢ). */
export function newtonLoss(features: ArrayLike<number>, labels: ArrayLike<number>, classes: number, C: number): number {
  const count = labels.length;
  const width = features.length / count;
  const row = width + 1; // weights of a class, then its bias
  const size = classes * row;
  const x = (i: number, e: number) => (e === width ? 1 : features[i * width + e]);

  /** −log p of the label and the probabilities p − 1[label], both without cancellation. */
  const example = (theta: Float64Array, i: number) => {
    const logits = Array.from({ length: classes }, (_, k) => {
      let logit = 0;
      for (let e = 0; e <= width; e++) logit += theta[k * row + e] * x(i, e);
      return logit;
    });
    const behind = logits.map((v) => v - logits[labels[i]]);
    const most = Math.max(...behind);
    const exps = behind.map((v) => Math.exp(v - most));
    const total = exps.reduce((a, b) => a + b);
    const others = exps.reduce((sum, v, k) => sum + (k === labels[i] ? 0 : v), 0);
    const p = exps.map((v) => v / total);
    const residual = p.map((v, k) => (k === labels[i] ? -others / total : v));
    return { loss: most > 0 ? most + Math.log(total) : Math.log1p(others), p, residual };
  };
  const penalised = (j: number) => (j % row === width ? 0 : 1);
  const lossAt = (theta: Float64Array) => {
    let loss = 0;
    theta.forEach((v, j) => {
      loss += 0.5 * penalised(j) * v * v;
    });
    for (let i = 0; i < count; i++) loss += C * example(theta, i).loss;
    return loss;
  };

  let theta = new Float64Array(size);
  let loss = lossAt(theta);
  for (let iteration = 0; iteration < 500; iteration++) {
    const gradient = theta.map((v, j) => penalised(j) * v);
    // biases may all move together without effect: a little on the diagonal settles that
    const hessian = Array.from({ length: size }, (_, j) => {
      const line = new Float64Array(size);
      line[j] = penalised(j) || 1e-10 * C * count;
      return line;
    });
    for (let i = 0; i < count; i++) {
      const { p, residual } = example(theta, i);
      for (let k = 0; k < classes; k++)
        for (let e = 0; e <= width; e++) {
          const line = hessian[k * row + e];
          gradient[k * row + e] += C * residual[k] * x(i, e);
          for (let l = 0; l <= k; l++) {
            const q = C * x(i, e) * (k === l ? p[k] * (1 - p[k]) : -p[k] * p[l]);
            for (let f = 0; f <= width; f++) line[l * row + f] += q * x(i, f);
          }
        }
    }
    const step = solve(hessian, gradient);
    const slope = step.reduce((sum, v, j) => sum + v * gradient[j], 0);
    if (slope <= 1e-10 * loss) return loss;
    let share = 1;
    for (; share > 1e-12; share /= 2) {
      const moved = theta.map((v, j) => v - share * step[j]);
      const lower = lossAt(moved);
      if (lower <= loss - 1e-4 * share * slope) {
        [theta, loss] = [moved, lower];
        break;
      }
    }
    if (share <= 1e-12) return loss;
  }
  throw new Error("Newton's method has not converged");
}

/** H⁻¹ g by Cholesky's decomposition of the lower triangle, in place. */
function solve(h: Float64Array[], g: Float64Array): Float64Array {
  const n = g.length;
  const y = g.slice();
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = h[i][j];
      for (let k = 0; k < j; k++) rest -= h[i][k] * h[j][k];
      h[i][j] = i === j ? Math.sqrt(Math.max(rest, 1e-300)) : rest / h[j][j];
    }
    for (let k = 0; k < i; k++) y[i] -= h[i][k] * y[k];
    y[i] /= h[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) y[i] -= h[k][i] * y[k];
    y[i] /= h[i][i];
  }
  return y;
}

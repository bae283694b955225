/** A perceptron with `layers` layers of one width; mean squared error; SGD. */
export interface MlpSizes {
  readonly layers: number;
  readonly width: number;
  readonly batch: number;
  readonly rate: number;
}

export const mlpSpecs = ({ layers, width, batch }: MlpSizes) => ({
  weights: Array.from({ length: layers }, (_, i) => ({
    weight: { stream: 30 + 2 * i, shape: [width, width], std: width ** -0.5 },
    bias: { stream: 31 + 2 * i, shape: [width], std: 0.02 },
  })),
  input: { stream: 50, shape: [batch, width], std: 1 },
  target: { stream: 51, shape: [batch, width], std: 1 },
});

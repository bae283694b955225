/**
 * Every error that coop throws on purpose. A message names the operation, what was wrong and what to do;
 * the class says what kind of thing went wrong, so that a caller can react to it.
 *
 * @example try { matmul(x, y) } catch (error) { if (error instanceof CoopError) show(error.message) }
 */
export class CoopError extends Error {
  override name = "CoopError";
}

/** Shapes that do not fit the operation. */
export class ShapeError extends CoopError {
  override name = "ShapeError";
}

/** An element type that the operation does not take. */
export class DTypeError extends CoopError {
  override name = "DTypeError";
}

/** A tensor used after it was donated to a compiled call or freed. */
export class DonatedError extends CoopError {
  override name = "DonatedError";
}

/** No usable WebGPU adapter, or one that lacks what was asked of it. */
export class DeviceError extends CoopError {
  override name = "DeviceError";
}

/** The GPU device went away while work was under way. */
export class DeviceLostError extends DeviceError {
  override name = "DeviceLostError";
}

/** The GPU stopped answering; to a program that is the same as losing it. */
export class DeviceHungError extends DeviceLostError {
  override name = "DeviceHungError";
}

/** The GPU refused an allocation. What lay on it before is as it was; what was being computed is lost. */
export class OutOfMemoryError extends DeviceError {
  override name = "OutOfMemoryError";
  /** Bytes that were asked for. */
  readonly asked: number | undefined;
  /** Bytes that were in use then. */
  readonly inUse: number | undefined;

  constructor(message: string, { asked, inUse }: { readonly asked?: number; readonly inUse?: number } = {}) {
    super(message);
    this.asked = asked;
    this.inUse = inUse;
  }
}

/** A file that is not what it claims to be: says which file, and which key or byte. */
export class FormatError extends CoopError {
  override name = "FormatError";
}

/** Input from a person that cannot be used as it is: a folder, a picture, a setting. */
export class InputError extends CoopError {
  override name = "InputError";
}

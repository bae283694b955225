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

/** A number that is NaN or infinite where a training needs one to go on with. */
export class NonFiniteError extends CoopError {
  override name = "NonFiniteError";
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

/** A file that is not what it claims to be: says which file, and which key or byte, in one line. */
export class FormatError extends CoopError {
  override name = "FormatError";
  constructor(message: string, options?: ErrorOptions) {
    super(fit(message), options);
  }
}

/** Input from a person that cannot be used as it is: a folder, a picture, a setting; in one line. */
export class InputError extends CoopError {
  override name = "InputError";
  constructor(message: string, options?: ErrorOptions) {
    super(fit(message), options);
  }
}

const LONGEST = 2000;

/** These messages quote what others wrote, which may be long and of many lines; what to do stands at the end. */
const fit = (message: string): string => cut(oneLine(cut(message)));

const cut = (text: string): string =>
  text.length <= LONGEST ? text : `${text.slice(0, LONGEST / 2)} … ${text.slice(3 - LONGEST / 2)}`;

/** A text fit for a one-line message: control and direction-changing characters are shown as escapes. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}

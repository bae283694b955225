/** Writes tar archives in POSIX form. */

/** A tar header and its content, padded. */
export function member(name: string, content: string | Uint8Array, type = "0", prefix = ""): Uint8Array {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const bytes = new Uint8Array(512 + Math.ceil(body.length / 512) * 512);
  const put = (text: string, at: number) => bytes.set(new TextEncoder().encode(text), at);
  put(name.slice(0, 100), 0);
  put(`${body.length.toString(8).padStart(11, "0")}`, 124);
  put(" ".repeat(8), 148);
  put(type, 156);
  put("ustar\u000000", 257);
  put(prefix, 345);
  const sum = bytes.subarray(0, 512).reduce((a, b) => a + b, 0);
  put(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148);
  bytes.set(body, 512);
  return bytes;
}
/** A pax header for the member after it. */
export const pax = (key: string, value: string): Uint8Array => {
  const rest = ` ${key}=${value}\n`;
  const bytes = new TextEncoder().encode(rest).length;
  const length = [1, 2, 3, 4].map((digits) => digits + bytes).find((n, i) => String(n).length === i + 1)!;
  return member("pax", `${length}${rest}`, "x");
};
/** Members and the end of an archive. */
export const archive = (...members: Uint8Array[]) => new Uint8Array(Buffer.concat([...members, new Uint8Array(1024)]));

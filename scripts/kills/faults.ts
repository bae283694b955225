// Loaded before a program (`--import`): counts what it does to files below COOP_FAULT_UNDER, writes each of it down in
// COOP_FAULT_LOG, and at the nth of them does what COOP_FAULT says, such as "kill@12".
//   kill    the process dies before it
//   half    the process dies when half of the bytes are written; as `kill` where it writes none
//   ENOSPC  it fails half-way with this error, as does all that follows and needs space; so for any code of Node's
import { appendFileSync } from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { resolve, sep } from "node:path";

// biome-ignore lint/suspicious/noExplicitAny: functions of all shapes are wrapped
type Call = (...args: any[]) => Promise<unknown>;

const under = resolve(process.env.COOP_FAULT_UNDER ?? "/") + sep;
const log = process.env.COOP_FAULT_LOG;
const [what, nth] = (process.env.COOP_FAULT ?? "none@0").split("@");
/** What needs no space. */
const FREES = new Set(["rm", "rmdir", "unlink", "rename", "truncate", "sync"]);
let count = 0;

const kill = (): Promise<never> => {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
};

/** Does an operation on a path, or what is to happen to it instead. */
async function operation(name: string, path: string, act: () => Promise<unknown>, half?: () => Promise<unknown>) {
  if (!resolve(path).startsWith(under)) return act();
  count++;
  if (log) appendFileSync(log, `${name} ${path}\n`);
  if (count < Number(nth) || what === "none") return act();
  if (what === "kill" || what === "half") {
    if (count > Number(nth)) return act();
    if (what === "half") await half?.();
    return kill();
  }
  if (FREES.has(name)) return act();
  await half?.();
  throw Object.assign(new Error(`${what}: made to fail, ${name} '${path}'`), { code: what, syscall: name, path });
}

const halfOf = (data: unknown): Uint8Array | string | undefined =>
  typeof data === "string" || data instanceof Uint8Array ? data.slice(0, data.length / 2) : undefined;

const paths = new WeakMap<FileHandle, string>();
const open = fs.open;
const wrapped = fs as unknown as Record<string, Call>;

fs.open = async (path, flags, mode) => {
  const act = async () => {
    const file = await open(path, flags, mode);
    paths.set(file, String(path));
    return file;
  };
  const writes = flags !== undefined && /[wa+]/.test(String(flags));
  return (writes ? await operation("open", String(path), act) : await act()) as FileHandle;
};
const ON_ITS_FIRST = ["rm", "rmdir", "unlink", "mkdir"];
const ON_ITS_SECOND = ["rename", "copyFile", "link", "symlink"];
for (const name of [...ON_ITS_FIRST, ...ON_ITS_SECOND]) {
  const original = wrapped[name];
  const at = ON_ITS_SECOND.includes(name) ? 1 : 0;
  wrapped[name] = (...args) => operation(name, String(args[at]), () => original(...args));
}
const writeFile = fs.writeFile as Call;
wrapped.writeFile = (path, data, options) => {
  const part = halfOf(data);
  const half = part === undefined ? undefined : () => writeFile(path, part, options);
  return operation("writeFile", String(path), () => writeFile(path, data, options), half);
};

const probe = await open(process.execPath, "r");
const handle = Object.getPrototypeOf(probe) as Record<string, Call>;
await probe.close();
for (const name of ["write", "writeFile", "appendFile", "truncate", "sync"]) {
  const original = handle[name];
  handle[name] = function (this: FileHandle, ...args) {
    const path = paths.get(this) ?? "";
    const [data, offset = 0, length = data?.length - offset, position] = args;
    const half = async () => {
      if (name === "write") await original.call(this, data, offset, Math.floor(length / 2), position);
      else if (halfOf(data) !== undefined) await original.call(this, halfOf(data));
    };
    return operation(name, path, () => original.apply(this, args), half);
  };
}
syncBuiltinESMExports();

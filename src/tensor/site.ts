import { isDebugging } from "./debugging.ts";

/** Places in the caller's code where nodes were made, kept only while somebody wants to know. */
const sites = new WeakMap<object, string>();

/** Whether new nodes are asked where they were made: a stack trace each, so off unless profiling or debugging. */
export let capturing = isDebugging();

/** Of a node that is made on behalf of another one: the gradient of an op, the parts of a composed one. */
let inherited: string | undefined;

/** Switches call sites on or off for nodes made from now on; returns what it was before. */
export function captureSites(on: boolean): boolean {
  const before = capturing;
  capturing = on;
  return before;
}

/** Remembers where a node is being made. */
export function noteSite(node: object): void {
  const site = siteHere();
  if (site) sites.set(node, site);
}

/** Where a node was made: `block.ts:25 applyLinear < block.ts:37 residualBlock`; a gradient's begins with ∇. */
export const siteOf = (node: object): string | undefined => sites.get(node);

/** Runs `f`; the nodes that it makes, if not in code of the caller's own, count as made where `node` was. */
export function withSite<T>(node: object, f: () => T, mark = ""): T {
  if (!capturing) return f();
  const before = inherited;
  const site = sites.get(node);
  inherited = site && (site.startsWith(mark) ? site : mark + site);
  try {
    return f();
  } finally {
    inherited = before;
  }
}

/** Callers shown: helpers such as a model's own `linear` say little without who called them. */
const FRAMES = 2;

let own: string[] | undefined;

/** Folders whose frames are the library's own; in a bundle they are not to be told apart, and the innermost frame stays. */
function ownFolders(): string[] {
  const here: string | undefined = import.meta.url; // undefined in bundles that are no modules
  own ??= here ? ["./", "../autograd/"].map((to) => new URL(to, here).href.replace(/^file:\/\//, "")) : [];
  return own;
}

function siteHere(): string | undefined {
  const limits = Error as { stackTraceLimit?: number };
  const before = limits.stackTraceLimit;
  limits.stackTraceLimit = 60;
  const { stack = "" } = new Error();
  limits.stackTraceLimit = before;
  const found: string[] = [];
  for (const line of stack.split("\n")) {
    const frame = frameOf(line);
    if (!frame) continue;
    if (ownFolders().some((folder) => frame.file.startsWith(folder))) {
      if (found.length > 0) break;
      if (inherited && frame.name === "withSite") return inherited;
      continue;
    }
    if (/^node:|\/node_modules\//.test(frame.file)) break;
    found.push(`${frame.file.split("/").at(-1)}:${frame.line}${frame.name ? ` ${frame.name}` : ""}`);
    if (found.length === FRAMES) break;
  }
  return found.length > 0 ? found.join(" < ") : undefined;
}

/** A line of a stack trace in V8's or in Firefox's and Safari's way of writing. */
function frameOf(line: string): { name: string; file: string; line: string } | undefined {
  const match = /^\s*at (?:async )?(?:(.*?) \()?(.+?):(\d+):\d+\)?$/.exec(line) ?? /^(.*?)@(.+?):(\d+):\d+$/.exec(line);
  if (!match) return undefined;
  const [, name = "", file, at] = match;
  return {
    name: name.replace(/^(Object|Module)\.|<anonymous>| \[as .*\]/g, "").trim(),
    file: file.replace(/^file:\/\//, "").replace(/[?#].*$/, ""),
    line: at,
  };
}

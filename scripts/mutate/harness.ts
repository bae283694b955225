// Stands in for node:test in a bundle: keeps what the files declare, and runs those of a pattern until one fails.

type Body = (context: unknown) => unknown;

interface Suite {
  readonly name: string;
  readonly parent?: Suite;
  readonly befores: Body[];
  started?: Promise<void>;
}

const root: Suite = { name: "", befores: [] };
const cases: { readonly file: string; readonly name: string; readonly suite: Suite; readonly body: Body }[] = [];
let current = root;
let file = "";

/** Says from which file the tests come that follow. */
export function begin(name: string): void {
  file = name;
}

const bodyOf = (rest: readonly unknown[]): Body | undefined =>
  rest.find((part): part is Body => typeof part === "function");
const isSkipped = (rest: readonly unknown[]): boolean => rest.some((part) => !!(part as { skip?: unknown })?.skip);
const pathOf = ({ name, parent }: Suite): string => (parent?.parent ? `${pathOf(parent)} > ${name}` : name);

export function describe(name: string, ...rest: unknown[]): void {
  if (isSkipped(rest)) return;
  const outer = current;
  current = { name, parent: outer, befores: [] };
  bodyOf(rest)?.(undefined);
  current = outer;
}

export function test(name: string, ...rest: unknown[]): void {
  const body = bodyOf(rest);
  const path = [pathOf(current), name].filter(Boolean).join(" > ");
  if (body && !isSkipped(rest)) cases.push({ file, name: path, suite: current, body });
}

export const before = (body: Body): void => void current.befores.push(body);
/** What a file checks at its end is about all of its tests, and only some are run. */
export const after = (): void => {};
export const it = test;
export default test;

async function start(suite: Suite): Promise<void> {
  if (suite.parent) await start(suite.parent);
  suite.started ??= (async () => {
    for (const body of suite.befores) await body(undefined);
  })();
  await suite.started;
}

/** The first test that fails, if one does, and how many were run. */
export async function run(
  tests: readonly { readonly file: string; readonly pattern: string }[],
): Promise<{ ran: number; failed?: string; message?: string }> {
  let ran = 0;
  const chosen = cases.filter((one) =>
    tests.some(({ file, pattern }) => file === one.file && new RegExp(pattern).test(one.name)),
  );
  for (const { name, suite, body } of chosen) {
    const cleanUps: Body[] = [];
    const context = {
      name,
      skip() {},
      diagnostic() {},
      after: (body: Body) => cleanUps.push(body),
      test: async (_: string, ...rest: unknown[]) => bodyOf(rest)?.(context),
    };
    try {
      await start(suite);
      await body(context);
    } catch (error) {
      return { ran, failed: name, message: error instanceof Error ? error.message : String(error) };
    } finally {
      for (const body of cleanUps) await body(context);
    }
    ran++;
  }
  return { ran };
}

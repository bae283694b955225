import { parseSync } from "vite";
import type { Edit } from "./mutant.ts";
import { changed, wgslEdits } from "./wgsl.ts";

/** A node of the syntax tree (ESTree), read without its types. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

const OPERATORS: Readonly<Record<string, string>> = {
  ...{ "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*" },
  ...{ "<": "<=", "<=": "<", ">": ">=", ">=": ">", "===": "!==", "!==": "===" },
  ...{ "&&": "||", "||": "&&", "&": "|", "|": "&", "<<": ">>", ">>": "<<", ">>>": "<<" },
  ...{ "+=": "-=", "-=": "+=", "*=": "/=" },
};

/** Functions that take the same arguments. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  ...{ add: "sub", sub: "add", mul: "div", div: "mul", sin: "cos", cos: "sin", sqrt: "rsqrt", rsqrt: "sqrt" },
  ...{ greater: "less", less: "greater", greaterEqual: "greater", lessEqual: "less", equal: "notEqual" },
  ...{ logicalAnd: "logicalOr", logicalOr: "logicalAnd", maximum: "minimum", minimum: "maximum" },
  ...{ max: "min", min: "max", sum: "mean", mean: "sum", some: "every", every: "some" },
  ...{ floor: "ceil", ceil: "floor", trunc: "ceil" },
};
const ORDERED = new Set(["sub", "div", "matmul", "pow", "less", "greater"]);
const TERMS = new Set(["add", "sub", "mul", "div"]);
const DEFINES = /^(defineOp|unary|binary|comparison|reduction|elementwise)$/;

/** What decides about speed, names and profiles, never about a result. */
const IRRELEVANT = new Set(["cost", "suits", "isTiny", "slowToCompile", "name", "label"]);

/** Faults in TypeScript: operators, constants, indices, calls of ops, and the WGSL in its templates. */
export function typescriptEdits(file: string, text: string): Edit[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const edits: Edit[] = [];
  const has = (name: string) => new RegExp(`\\b(import|const|function|Math)\\b[^;]*\\b${name}\\b`).test(text);

  const visit = (node: Node, op: string | undefined): void => {
    if (isSkipped(node)) return;
    const replace = (at: { start: number; end: number }, after: string) =>
      edits.push({ start: at.start, end: at.end, after, op });
    const source = (at: unknown) => text.slice((at as Node).start, (at as Node).end);
    const operator = (left: Node, right: Node, name: string) => {
      const start = text.indexOf(name, left.end);
      if (OPERATORS[name] && start < right.start) replace({ start, end: start + name.length }, OPERATORS[name]);
    };
    switch (node.type) {
      case "BinaryExpression":
      case "LogicalExpression":
      case "AssignmentExpression": {
        const [left, right] = [node.left as Node, node.right as Node];
        if (![left, right].some((side) => isText(side, text))) operator(left, right, node.operator as string);
        break;
      }
      case "UnaryExpression":
        if (node.operator === "-" || node.operator === "!") replace(node, source(node.argument));
        break;
      case "Literal":
        if (typeof node.value === "number") for (const other of changed(node.raw as string)) replace(node, other);
        if (typeof node.value === "boolean") replace(node, String(!node.value));
        break;
      case "ConditionalExpression":
        replace(node, `${source(node.test)} ? ${source(node.alternate)} : ${source(node.consequent)}`);
        break;
      case "ArrayExpression":
      case "ArrayPattern": {
        const [a, b] = node.elements as (Node | null)[];
        if (a && b && ![a, b].some(({ type }) => /Spread|Rest/.test(type)))
          replace({ start: a.start, end: b.end }, `${source(b)}, ${source(a)}`);
        break;
      }
      case "TemplateLiteral":
        for (const quasi of node.quasis as Node[])
          for (const edit of wgslEdits(source(quasi)))
            edits.push({ ...edit, start: quasi.start + edit.start, end: quasi.start + edit.end, op });
        break;
      case "CallExpression":
        for (const [at, after] of callEdits(node, source, has)) replace(at, after);
    }
    const inside = opName(node) ?? op;
    for (const child of childrenOf(node)) visit(child, inside);
  };
  visit(program as unknown as Node, undefined);
  return edits;
}

/** Another function, another order, a term dropped. */
function callEdits(
  call: Node,
  source: (node: unknown) => string,
  has: (name: string) => boolean,
): (readonly [Node, string])[] {
  const [callee, args] = [call.callee as Node, call.arguments as Node[]];
  const member = callee.type === "MemberExpression" ? (callee.property as Node) : callee;
  const name = String(member.name);
  const edits: (readonly [Node, string])[] = [];
  const other = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (other && (callee !== member || has(other))) edits.push([member, other]);
  if (callee !== member || args.some(({ type }) => type === "SpreadElement")) return edits;
  const [a, b, c] = args.map(source);
  if (name === "neg") edits.push([call, a]);
  if (name === "where") edits.push([call, `where(${a}, ${c}, ${b})`]);
  if (ORDERED.has(name))
    edits.push([call, [`${name}(${b}, ${a}`, ...args.slice(2).map(source)].join(", ").concat(")")]);
  if (TERMS.has(name)) {
    // a number alone is no tensor, which everything notices
    const whole = args.filter(({ type }) => type !== "Literal" && type !== "UnaryExpression");
    edits.push(...whole.slice(0, name === "add" || name === "mul" ? 2 : 1).map((arg) => [call, source(arg)] as const));
  }
  return edits;
}

/** The name that a definition of an op gives it. */
function opName(node: Node): string | undefined {
  if (node.type !== "CallExpression" || !DEFINES.test(String((node.callee as Node).name))) return undefined;
  const [first] = node.arguments as Node[];
  const properties = (first?.properties ?? []) as { key?: Node; value?: Node }[];
  const value = first?.type === "Literal" ? first : properties.find(({ key }) => key?.name === "name")?.value;
  return typeof value?.value === "string" ? value.value : undefined;
}

/** Types, imports, messages, and what no result depends on. */
function isSkipped(node: Node): boolean {
  const callee = (node.callee as Node | undefined)?.name;
  return (
    (node.type.startsWith("TS") && !/^TS(As|NonNull|Satisfies)Expression$/.test(node.type)) ||
    node.type === "ImportDeclaration" ||
    node.type === "ThrowStatement" ||
    callee === "refuse" ||
    callee === "checkRate" ||
    (node.type === "NewExpression" && /Error$/.test(String(callee))) ||
    (node.type === "Property" && IRRELEVANT.has(String((node.key as Node).name)))
  );
}

const isText = (node: Node, text: string): boolean =>
  node.type === "TemplateLiteral" ||
  typeof node.value === "string" ||
  /\b(join\(""\)|source|suffix|shaders\.\w+|name)$/.test(text.slice(node.start, node.end));

const isNode = (value: unknown): value is Node => typeof (value as Node | null)?.type === "string";

function childrenOf(node: Node): Node[] {
  const entries = Object.entries(node).filter(([key]) => key !== "typeAnnotation" && key !== "typeArguments");
  return entries.flatMap(([, value]) => (Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : []));
}

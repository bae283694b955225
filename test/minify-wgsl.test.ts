import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { minifyWgsl } from "../scripts/minify-wgsl.ts";

const SHADERS = join(import.meta.dirname, "../shaders");

/** The words, numbers and signs of a shader. */
const tokens = (text: string): string[] =>
  text.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, " ").match(/\w+(?:\.\w+)*\.?|[^\w\s]/g) ?? [];

test("comments and white space go, but for what keeps two tokens apart", () => {
  const source =
    "// a sum\nfn f ( a : f32 ) -> f32 {\n  /* of two */ let x = a - -b; // once\n  return x + 1.5e-3 ;\n}\n";
  assert.equal(minifyWgsl(source), "fn f(a:f32)->f32{\nlet x=a- -b;\nreturn x+1.5e-3;\n}\n");
  assert.equal(minifyWgsl("alias A = array<vec4<f32>, 2> ;"), "alias A=array<vec4<f32>,2>;\n");
  assert.equal(minifyWgsl("x = a & &b ; y = a > = b"), "x=a& &b;\ny=a> =b");
});

for (const file of readdirSync(SHADERS).filter((name) => name.endsWith(".wgsl")))
  test(`${file} has the same tokens`, () => {
    const source = readFileSync(join(SHADERS, file), "utf8");
    assert.deepEqual(tokens(minifyWgsl(source)), tokens(source));
    assert.ok(minifyWgsl(source).length < source.length);
  });

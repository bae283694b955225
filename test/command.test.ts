// Words of a command line as flags, values and arguments; what is wrong with them is said by name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Command, Input, UsageError } from "../src/cli/command.ts";
import { InputError } from "../src/tensor/errors.ts";

const COMMAND: Command = {
  summary: "",
  usage: "",
  flags: {
    shots: { value: "N", help: "" },
    rate: { value: "R", help: "" },
    template: { value: "TEXT", help: "", many: true },
    stop: { value: "[N]", help: "", otherwise: "20" },
    probe: { help: "" },
  },
  run: async () => 0,
};
const input = (...words: string[]) => new Input("learn", COMMAND, words);

test("flags, values and arguments in any order", () => {
  const given = input("a", "--shots", "4", "--probe", "b", "--template=x", "--template", "y", "--rate=.5");
  assert.deepEqual(given.positionals, ["a", "b"]);
  assert.equal(given.whole("shots", 16), 4);
  assert.equal(given.positive("rate", 1), 0.5);
  assert.deepEqual(given.texts("template"), ["x", "y"]);
  assert.ok(given.has("probe") && !given.has("json"));
  assert.equal(input("--shots", "1", "--shots", "2").whole("shots", 16), 2); // the last one counts
  assert.equal(input().whole("shots", 16), 16);
});

test("a value that need not be given is only taken where it is a number", () => {
  for (const [words, value, rest] of [
    [["--stop"], "20", []],
    [["--stop", "5"], "5", []],
    [["--stop=5"], "5", []],
    [["--stop", "pictures"], "20", ["pictures"]],
    [["--stop", "--probe"], "20", []],
  ] as const) {
    const given = input(...words);
    assert.equal(given.text("stop"), value);
    assert.deepEqual(given.positionals, rest);
  }
});

test("wrong values are named, those below 0 too", () => {
  for (const [words, pattern] of [
    [["--shots", "-3"], /^--shots is -3; give a whole number ≥ 1, such as 16$/],
    [["--shots", "1.5"], /^--shots is 1\.5; /],
    [["--rate", "-.5"], /^--rate is -\.5; give a finite number above 0, such as 1$/],
    [["--rate", "1e999"], /^--rate is 1e999; /],
  ] as const)
    assert.throws(
      () => [input(...words).whole("shots", 16), input(...words).positive("rate", 1)],
      (error) => error instanceof InputError && !(error instanceof UsageError) && pattern.test(error.message),
    );
});

test("wrong use is told in one line, with what was probably meant", () => {
  const end = " See `coop learn --help`.";
  for (const [words, message] of [
    [["--shot", "3"], "there is no flag --shot; did you mean --shots?"],
    [["--tempalte=x"], "there is no flag --tempalte; did you mean --template?"],
    [["--constructor", "-1"], "there is no flag --constructor."],
    [["-q"], "there is no flag -q."],
    [["--shots"], "--shots needs a value: --shots N."],
    [["--shots", "--probe"], "--shots needs a value: --shots N."],
    [["--shots", ""], "--shots needs a value: --shots N."],
    [["--template", "a", "--template="], "--template needs a value: --template TEXT."],
    [["pictures", ""], "one of the arguments is empty."],
    [["--probe=yes"], "--probe takes no value."],
    [["--help=yes"], "--help takes no value."],
  ] as const)
    assert.throws(
      () => input(...words),
      (error) => error instanceof UsageError && error.message === message + end,
      words.join(" "),
    );
});

import { LATIN1, PickleReader } from "./pickle-reader.ts";
import {
  PickleClass,
  PickleObject,
  PickleOpaque,
  type PickleRules,
  type PickleValue,
  type Refuse,
} from "./pickle-values.ts";
import { quote } from "./safetensors-layout.ts";

const MAX_OPCODES = 2 ** 20;
const MAX_STACK = 2 ** 17;
const MAX_GLOBAL = 1024;

/**
 * Reads a Python pickle of protocol 2 to 5 as data. Nothing is ever run: the only classes and functions are those that
 * `rules` knows, and what they make is plain data too. FormatError, with the byte counted from `base`, for everything
 * else. Returns the value and the number of bytes that it took.
 */
export function parsePickle(
  bytes: Uint8Array,
  name: string,
  rules: PickleRules,
  base = 0,
): { value: PickleValue; length: number } {
  const from = new PickleReader(bytes, name, base);
  const refuse: Refuse = from.refuse;
  const stack: PickleValue[] = [];
  const marks: number[] = [];
  const memo = new Map<number, PickleValue>();

  const push = (value: PickleValue): void => {
    if (stack.length >= MAX_STACK) refuse(`more than ${MAX_STACK} values wait on its stack`);
    stack.push(value);
  };
  const pop = (): PickleValue => {
    if (stack.length <= (marks.at(-1) ?? 0)) refuse("it takes a value where there is none");
    return stack.pop()!;
  };
  const top = (): PickleValue => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const popMark = (): PickleValue[] => stack.splice(marks.pop() ?? refuse("it closes what it never opened"));
  const popTuple = (length: number): PickleValue[] => Array.from({ length }, pop).reverse();
  const append = (items: PickleValue[]) => {
    const list = top();
    if (list instanceof PickleOpaque) return;
    if (!Array.isArray(list)) refuse("it appends to something that is no list");
    for (const item of items) list.push(item);
  };
  const setItems = (items: PickleValue[]) => {
    const dict = top();
    if (dict instanceof PickleOpaque) return;
    if (!(dict instanceof Map)) refuse("it sets a key of something that is no dict");
    if (items.length % 2) refuse("a key has no value");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  };
  const recall = (index: number) => {
    const value = memo.get(index);
    push(value === undefined ? refuse(`it refers to value ${index}, which it never kept`) : value);
  };
  const find = (module: PickleValue, attribute: PickleValue): PickleClass | PickleOpaque => {
    if (typeof module !== "string" || typeof attribute !== "string") refuse("the name of a class is no text");
    if (module.length + attribute.length > MAX_GLOBAL) refuse(`the name of a class is over ${MAX_GLOBAL} characters`);
    return (
      rules.find(module, attribute) ??
      refuse(
        `it asks to run ${quote(`${module}.${attribute}`)}, which is code and not weights. The file was NOT run. Use the model's .safetensors file; if you saved this file yourself, save only model.state_dict()`,
      )
    );
  };
  const call = () => {
    const args = pop();
    const made = pop();
    if (made instanceof PickleOpaque) return push(made);
    if (!(made instanceof PickleClass && Array.isArray(args))) refuse("it calls something that is no function");
    push(made.make(args, refuse));
  };
  const build = () => {
    const state = pop();
    const target = top();
    if (target instanceof PickleObject) target.setState(state, refuse);
    // a state dict's own attributes (_metadata: versions of its layers) are not weights
    else if (!(target instanceof Map)) refuse("it gives a state to something that has none");
  };

  if (from.u8() !== 0x80) refuse("it does not begin as a pickle does");
  const protocol = from.u8();
  if (protocol < 2 || protocol > 5) refuse(`pickle protocol ${protocol} is not read, only 2 to 5`);
  for (let opcodes = 0; opcodes < MAX_OPCODES; opcodes++) {
    const opcode = from.opcode();
    switch (opcode) {
      case 0x2e: // STOP
        return { value: pop(), length: from.at };
      case 0x95: // FRAME
        from.skip(8);
        break;
      case 0x28: // MARK
        marks.push(stack.length);
        break;
      case 0x30: // POP
        if (stack.length === marks.at(-1)) marks.pop();
        else pop();
        break;
      case 0x31: // POP_MARK
        popMark();
        break;
      case 0x32: // DUP
        push(top());
        break;

      case 0x4e: // NONE
        push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        push(opcode === 0x88);
        break;
      case 0x4a: // BININT
        push(from.i32());
        break;
      case 0x4b: // BININT1
        push(from.u8());
        break;
      case 0x4d: // BININT2
        push(from.u16());
        break;
      case 0x8a: // LONG1
        push(from.long(from.u8()));
        break;
      case 0x47: // BINFLOAT
        push(from.f64());
        break;
      case 0x8c: // SHORT_BINUNICODE
        push(from.text(from.u8()));
        break;
      case 0x58: // BINUNICODE
        push(from.text(from.u32()));
        break;
      case 0x8d: // BINUNICODE8
        push(from.text(from.u64()));
        break;
      case 0x55: // SHORT_BINSTRING, a text of Python 2
        push(from.text(from.u8(), LATIN1));
        break;
      case 0x54: // BINSTRING
        push(from.text(from.u32(), LATIN1));
        break;
      case 0x43: // SHORT_BINBYTES
        push(from.blob(from.u8()));
        break;
      case 0x42: // BINBYTES
        push(from.blob(from.u32()));
        break;
      case 0x8e: // BINBYTES8
        push(from.blob(from.u64()));
        break;

      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        push([]);
        break;
      case 0x85: // TUPLE1, 2, 3
      case 0x86:
      case 0x87:
        push(popTuple(opcode - 0x84));
        break;
      case 0x74: // TUPLE
      case 0x6c: // LIST
        push(popMark());
        break;
      case 0x7d: // EMPTY_DICT
        push(new Map());
        break;
      case 0x64: {
        // DICT
        const items = popMark();
        push(new Map());
        setItems(items);
        break;
      }
      case 0x61: // APPEND
        append([pop()]);
        break;
      case 0x65: // APPENDS
        append(popMark());
        break;
      case 0x73: // SETITEM
        setItems(popTuple(2));
        break;
      case 0x75: // SETITEMS
        setItems(popMark());
        break;

      case 0x71: // BINPUT
        memo.set(from.u8(), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(from.u32(), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x68: // BINGET
        recall(from.u8());
        break;
      case 0x6a: // LONG_BINGET
        recall(from.u32());
        break;

      case 0x63: // GLOBAL
        push(find(from.line(), from.line()));
        break;
      case 0x93: {
        // STACK_GLOBAL
        const [module, attribute] = popTuple(2);
        push(find(module, attribute));
        break;
      }
      case 0x69: // INST: a GLOBAL and a call; PyTorch does not write it
        find(from.line(), from.line());
        refuse("it makes an object in a way that PyTorch never does");
        break;
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        call();
        break;
      case 0x62: // BUILD
        build();
        break;
      case 0x51: // BINPERSID
        push(rules.persistent(pop(), refuse));
        break;
      default:
        refuse(`0x${opcode.toString(16).padStart(2, "0")} is no instruction that PyTorch writes`);
    }
  }
  return refuse(`it has more than ${MAX_OPCODES} instructions`);
}

/**
 * Wrong calls by what is wrong with them. Each has a text that names the function or the argument, another that shows what
 * was found, both of which its message holds, and the call.
 */
export type WrongCalls = Readonly<Record<string, readonly [names: string, found: string, call: () => unknown]>>;

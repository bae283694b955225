import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { PROBLEM_ERROR } from "../protocol.ts";

const isProblem = (error: unknown) => error instanceof Error && error.name === PROBLEM_ERROR;

/** The answer to a question that changes. */
export interface Latest<T> {
  /** To the last question that was answered, which may be an older one. */
  readonly value?: T;
  readonly error?: string;
}

const CALM = 120; // milliseconds

/**
 * Asks whenever `key` changes: one question at a time, after a moment of calm, and of those that came up meanwhile only
 * the last. Without a key there is nothing to ask and no answer. A problem, which the page tells at its head, is no error here.
 */
export function useLatest<T>(key: string | undefined, question: () => Promise<T>): Latest<T> {
  const latest = useSignal<Latest<T>>({});
  const wanted = useRef<{ key?: string; question: () => Promise<T> }>({ question });
  const asking = useRef(false);
  wanted.current = { key, question };

  useEffect(() => {
    async function run(): Promise<void> {
      if (asking.current) return;
      asking.current = true;
      for (let answered: string | undefined; wanted.current.key !== undefined && wanted.current.key !== answered; ) {
        answered = wanted.current.key;
        try {
          const value = await wanted.current.question();
          if (wanted.current.key !== undefined) latest.value = { value };
        } catch (error) {
          latest.value = isProblem(error)
            ? latest.peek()
            : { error: error instanceof Error ? error.message : String(error) };
        }
      }
      asking.current = false;
    }
    if (key === undefined) {
      latest.value = {};
      return;
    }
    const timer = setTimeout(run, CALM);
    return () => clearTimeout(timer);
  }, [key]);

  useEffect(
    () => () => {
      wanted.current = { question };
    },
    [],
  );
  return latest.value;
}

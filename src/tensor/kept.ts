/**
 * An error that is kept for later. Until its stack is asked for, an error holds on to all whose methods were being called,
 * and what holds such an error may then never become garbage.
 */
export function kept<E>(error: E): E {
  if (error instanceof Error) void error.stack;
  return error;
}

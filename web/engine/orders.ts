/** Runs what it is given one after another, in the order it came; what fails does not stop the next. */
export function orders(): <T>(order: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (order) => {
    const done = last.then(order);
    last = done.catch(() => {});
    return done;
  };
}

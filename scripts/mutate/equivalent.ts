/** Faults that are none: what they change gives the same results. */
export const EQUIVALENT: readonly { readonly id: RegExp; readonly why: string }[] = [];

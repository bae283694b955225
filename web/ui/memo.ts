import { Component, type ComponentChildren } from "preact";

/**
 * A component that is drawn again only when one of its props is another one. One that reads signals needs no memo, and
 * would not hear of them in one.
 */
export function memo<P extends object>(draw: (props: P) => ComponentChildren) {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const names = new Set([...Object.keys(next), ...Object.keys(this.props)]) as Set<keyof P>;
      return [...names].some((name) => !Object.is(next[name], (this.props as P)[name]));
    }
    override render(props: P): ComponentChildren {
      return draw(props);
    }
  };
}

import { signal } from "@preact/signals";

/** Something that went wrong, until it is dismissed. */
interface Notice {
  readonly id: number;
  readonly text: string;
}

const notices = signal<readonly Notice[]>([]);
const KEPT = 3;
let next = 1;

/** Shows a sentence at the foot of the page; screen readers say it at once. */
export function tell(text: string): void {
  if (notices.peek().some((notice) => notice.text === text)) return;
  notices.value = [...notices.peek().slice(1 - KEPT), { id: next++, text }];
}

/** Does what was asked for, and tells why where it fails. @returns whether it was done */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
    return false;
  }
}

export function Notices() {
  return (
    <div class="notices" role="alert">
      {notices.value.map(({ id, text }) => (
        <div class="notice" key={id}>
          <p>{text}</p>
          <button
            type="button"
            class="quiet"
            onClick={() => {
              notices.value = notices.peek().filter((notice) => notice.id !== id);
            }}
          >
            Dismiss
          </button>
        </div>
      ))}
    </div>
  );
}

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Place } from "../protocol.ts";
import { addFiles } from "./adding.ts";
import { count } from "./format.ts";
import { attempt } from "./notices.tsx";

/** Where the webcam's pictures go; one place at a time. */
export const webcamAt = signal<Place | undefined>(undefined);

/** Where it was closed a moment ago: the focus goes back there. */
let closedAt: Place | undefined;

/** Opens the webcam at a place. */
export function WebcamButton({ place }: { place: Place }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (closedAt === place) button.current!.focus();
    closedAt = undefined;
  }, []);
  return (
    <button
      ref={button}
      type="button"
      class="plain"
      onClick={() => {
        webcamAt.value = place;
      }}
    >
      Webcam
    </button>
  );
}

const EVERY = 200; // milliseconds between two pictures while the button is held
const SIDE = 448; // pixels, more than any CLIP here looks at

/** The webcam, with a button that takes a picture at once and further ones for as long as it is held. */
export function Webcam({ place, of }: { place: Place; of: string }) {
  const video = useRef<HTMLVideoElement>(null);
  const shutter = useRef<HTMLButtonElement>(null);
  const closer = useRef<HTMLButtonElement>(null);
  const timer = useRef<ReturnType<typeof setInterval>>(undefined);
  const status = useSignal<"asking" | "live" | "failed">("asking");
  const why = useSignal("");
  const taken = useSignal(0);

  useEffect(() => {
    let stream: MediaStream | undefined;
    let gone = false;
    async function open(): Promise<void> {
      try {
        if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
        if (gone) return close();
        video.current!.srcObject = stream;
        await video.current!.play();
        status.value = "live";
      } catch (error) {
        if (gone) return;
        why.value = reason(error);
        status.value = "failed";
      }
    }
    function close(): void {
      for (const track of stream?.getTracks() ?? []) track.stop();
    }
    closer.current!.focus();
    void open();
    return () => {
      gone = true;
      clearInterval(timer.current);
      close();
    };
  }, []);

  const live = status.value === "live";
  useEffect(() => {
    if (live && document.activeElement === closer.current) shutter.current!.focus();
  }, [live]);

  async function take(): Promise<void> {
    const number = ++taken.value;
    const blob = await squareOf(video.current!);
    if (blob) await addFiles(place, [new File([blob], `webcam ${number}.jpg`, { type: blob.type })]);
  }
  function hold(): void {
    if (timer.current !== undefined) return;
    void attempt(take);
    timer.current = setInterval(() => void attempt(take), EVERY);
  }
  function release(): void {
    clearInterval(timer.current);
    timer.current = undefined;
  }

  return (
    <div class="webcam">
      <video ref={video} muted playsInline width="320" height="320" aria-label={`Webcam for ${of}`} />
      {status.value === "failed" && <p class="error">{why.value}</p>}
      <div class="row">
        <button
          ref={shutter}
          type="button"
          disabled={!live}
          onPointerDown={(event) => event.button === 0 && hold()}
          onPointerUp={release}
          onPointerLeave={release}
          onPointerCancel={release}
          onContextMenu={(event) => event.preventDefault()}
          onKeyDown={(event) => {
            if (event.key !== " " && event.key !== "Enter") return;
            event.preventDefault();
            hold();
          }}
          onKeyUp={release}
          onBlur={release}
        >
          Hold to take pictures
        </button>
        <button
          ref={closer}
          type="button"
          class="quiet"
          onClick={() => {
            closedAt = place;
            webcamAt.value = undefined;
          }}
        >
          Close webcam
        </button>
        <span class="soft" aria-live="polite">
          {status.value === "asking" ? "The browser asks for permission…" : count(taken.value, "picture")}
        </span>
      </div>
    </div>
  );
}

/** The middle square of what the webcam shows. */
async function squareOf(video: HTMLVideoElement): Promise<Blob | null> {
  const side = Math.min(video.videoWidth, video.videoHeight);
  if (side === 0) return null;
  const size = Math.min(side, SIDE);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const [left, top] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
  canvas.getContext("2d")!.drawImage(video, left, top, side, side, 0, 0, size, size);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

function reason(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError")
    return "The browser does not let this page use the webcam. Allow it by the icon beside the address, then open the webcam again.";
  if (name === "NotFoundError") return "No webcam was found. Connect one, or add picture files.";
  if (name === "NotReadableError") return "The webcam is in use by another program. Close that one first.";
  if (name === "SecurityError") return "Browsers give a webcam only to pages opened by https or on localhost.";
  return `The webcam could not be opened: ${error instanceof Error ? error.message : error}`;
}

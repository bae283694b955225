import { BlobSink, type Delivery, receive } from "./download.ts";
import { PageError, StatusError } from "./http.ts";

/** A file that is fetched whole: `page` says what a web page in its place was. Neither where the server has no such file. */
export async function receiveBlob(from: Delivery): Promise<{ readonly blob?: Blob; readonly page?: string }> {
  const sink = new BlobSink();
  try {
    await receive(from, sink);
  } catch (error) {
    if (error instanceof StatusError && error.status === 404) return {};
    if (error instanceof PageError) return { page: error.message };
    throw error;
  }
  return { blob: sink.whole() };
}

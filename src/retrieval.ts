/**
 * Retrieval: the pictures nearest to a text or a picture among many, and how often captions and pictures find each other.
 *
 * @module coop/retrieval
 */
export { type FeatureSearch, type FeatureSearchOptions, featureSearch, type Nearest } from "./coop/feature-search.ts";
export { type CaptionRecall, captionRecall, RECALL_AT, type Recall, recallOf } from "./coop/recall.ts";

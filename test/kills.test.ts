// A few kills of `npm run kills`, of what is quick to begin.
import "./gpu-settings.ts";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { campaign } from "../scripts/kills/campaign.ts";
import { downloads } from "../scripts/kills/downloads.ts";
import { SEED } from "./gpu-settings.ts";

const TIMEOUT = { timeout: 180_000 };
const KILLS = Number(process.env.COOP_KILLS ?? 3);

test(`a download killed ${KILLS} times is whole, and ends as one that was left alone`, TIMEOUT, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "coop-kills-"));
  const { hub, journey } = await downloads();
  t.after(() => {
    hub.stop();
    rmSync(root, { recursive: true, force: true });
  });
  const found = await campaign(journey, KILLS, SEED, root);
  assert.equal(found.kills, KILLS);
  assert.ok(found.finished > 0);
  t.diagnostic(JSON.stringify(found));
});

// Cutting the old site off, and what counts as proof of it.
import {
  type FenceProof,
  proofLine,
  requireNoneOpen,
  requireProven,
  type TakeoverPlan,
} from '../../domain/failover.ts';
import { failover } from './activities.ts';
import { decided } from './decisions.ts';
import type { Story } from './story.ts';

/**
 * Runs the fence and proves it, or lets a person attest what no probe could prove.
 * @param undo starts the old site again, where it is one that serves.
 */
export async function fence(story: Story, { from, epoch }: TakeoverPlan, undo?: () => Promise<unknown>): Promise<void> {
  story.enter('fencing');
  const proofs = await story.require(
    {
      id: 'fence',
      title: `Fence '${from}'`,
      safeToLeave: `nothing was restored; epoch ${epoch.next} is taken`,
      ...(undo === undefined ? {} : { undo }),
    },
    async () => {
      const found = await failover(`fence ${from}`).fence({ site: from, epoch: epoch.next });
      decided(() => requireNoneOpen(from, found));
      return found;
    },
    (found) => found.map(proofLine).join('; '),
  );
  await attest(story, from, proofs);
}

// A silence is no proof. A person who has seen that the site is cut off says so, by skipping this step with the reason.
async function attest(story: Story, from: string, proofs: readonly FenceProof[]): Promise<void> {
  let latest: readonly FenceProof[] | null = proofs;
  const spec = {
    id: 'attest',
    title: `Prove that '${from}' is cut off`,
    skippable: true,
    safeToLeave: 'nothing was restored yet',
  };
  const proven = await story.step(spec, async () => {
    const found = latest ?? (await failover(`look at ${from}`).probeFence({ site: from }));
    latest = null;
    decided(() => requireNoneOpen(from, found));
    decided(() => requireProven(from, found));
    return true;
  });
  if (proven === undefined) await requireStillSilent(from);
}

// Between the question and its answer the site may have come back: then nobody's word counts.
async function requireStillSilent(from: string): Promise<void> {
  const found = await failover(`look at ${from} again`).probeFence({ site: from });
  decided(() => requireNoneOpen(from, found));
}

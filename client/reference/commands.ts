// The pages behind the first: every command to copy, and the checklists.
import { platformValues, type ReferenceFacts } from './facts.ts';

/** Copy-paste commands by what is wanted. */
export function copyPaste(facts: ReferenceFacts): string {
  return [parts(facts), scratch(), whole(facts), steer(facts), outages(facts), ransomware(), ...handOver(facts)].join(
    '\n\n',
  );
}

const parts = ({ platform }: ReferenceFacts): string => `## Restore a part

Words in capitals are yours to fill in. Each first as it stands here, then with \`--confirm ${platform}\` in place of \`--dry-run\`.
An older backup: look for it with \`dr backups list\`, and add \`--backup SYSTEM/ID\`.

\`\`\`sh
dr restore postgres --database DATABASE --table TABLE --dry-run
dr restore postgres --database DATABASE --dry-run
dr restore redis --pattern "PATTERN" --dry-run
dr restore rabbitmq --vhost VHOST --queue QUEUE --dry-run
dr restore config --file FILE --dry-run
dr restore tls --dry-run
\`\`\``;

const scratch = (): string => `## Find out which backup is good

\`\`\`sh
dr backups list
dr restore postgres --test
dr verify
\`\`\`

\`--test\` and \`verify\` restore into scratch, compare, and touch no live store. \`proven\` in the list means that this was done.`;

const whole = ({ platform }: ReferenceFacts): string => `## Restore whole stores

\`\`\`sh
dr recover --at TIME --dry-run
dr recover --unproven --dry-run
dr recover postgres redis --dry-run
dr restore redis --confirm ${platform}
\`\`\`

TIME is a moment **before** the accident, with its zone: \`2026-11-23T04:00Z\`. A store that was built anew is refused as another one: the message names what it is now. Look that it is the new, empty one, and add \`--target postgres=NUMBER\` (of \`dr restore\`: \`--target NUMBER\`).`;

const steer = ({ platform }: ReferenceFacts): string => `## Answer a run that waits

\`\`\`sh
dr runs list --running
dr runs retry RUN STEP --reason "the disk was enlarged"
dr runs abort RUN STEP --reason "wrong backup" --confirm ${platform}
\`\`\`

\`dr runs watch RUN\` shows the question and asks for the answer. **retry** after the cause is gone. **skip** only where it is offered. **abort** undoes everything, last step first (exit 12). Ctrl-C only stops watching: the run goes on.`;

const outages = ({ platform, active, standby }: ReferenceFacts): string => {
  const site = standby ?? active;
  return `## Without Temporal or a worker

\`dr doctor\`, \`dr status\` and \`dr runbook --without-temporal\` work without both.

- **A worker is missing**: start the one that the message names, on the machine where it belongs: \`control\` at the witness, \`site.NAME\` beside the stores of that site. Leave it running.

  \`\`\`sh
  dr worker --queue control
  dr worker --queue site.${site}
  \`\`\`

- **Temporal is away**: start it again. Runs go on where they were. When its machine is lost, any Temporal server will do (\`temporal server start-dev --ip 0.0.0.0\`): set \`temporal.address\`, restart the workers, begin again. No backup and no epoch is kept in Temporal.
${standby === null ? '' : finishing(platform)}- **Holdfast's machine is lost**: one copy of the repository, the escrow key and the public key of the witness bring it back:

  \`\`\`sh
  dr rebuild --from REPOSITORY --key ESCROW_KEY --trust WITNESS_PUB --directory FOLDER
  \`\`\`

- **Holdfast cannot be brought back**: \`runbook.md\` in every tier restores with public tools and the escrow key.`;
};

// A list item of the outages.
const finishing = (
  platform: string,
): string => `- **It went in the middle of a failover**, and will not be back soon: end every worker of the platform, then finish the run from its journal, at a machine that sees the witness's folder and reaches the new site's stores:

  \`\`\`sh
  dr failover continue failover/${platform} --without-temporal
  \`\`\`
`;

const ransomware = (): string => `## Ransomware

1. Cut the site off from the network. Switch nothing off: memory is evidence.
2. From a clean machine, take away write and delete rights from every account that reaches the tiers. Delete nothing, apply no retention.
3. Look what is still whole. \`CHECKPOINT_MISMATCH\` or \`MANIFEST_UNTRUSTED\` names what was changed.

   \`\`\`sh
   dr schedule pause --all --reason "incident"
   dr verify --all --depth stored
   dr audit verify
   \`\`\`

4. Restore onto new machines, from a moment before the intrusion: \`dr recover --at TIME --dry-run\`. Then make new keys and passwords.`;

const handOver = ({ platform, active, standby }: ReferenceFacts): readonly string[] =>
  standby === null
    ? []
    : [
        `## Hand over while both sites live, and come back

\`\`\`sh
dr failover plan --planned --to ${standby}
dr failover run --planned --to ${standby}
dr runs go failover/${platform} go --reason "nothing is lost"
dr failback plan --to ${active}
dr failback run --to ${active}
\`\`\`

Nothing is lost: clients are kept out, final backups are taken, the old site is fenced; then it shows the measured loss and asks: \`go\`, or \`abort\`. People sign as in section 3, and what comes after is the same. Before coming back: start the stores of ${active}, clients out, RabbitMQ empty.`,
      ];

/** Lists to tick off, and the values. */
export const checklists = (facts: ReferenceFacts): string => `## Checklists

**While it lasts**

- [ ] One person types, one writes down: time, what was seen, what was typed.
- [ ] The people in the table know; the next word to everybody is promised for a time.
- [ ] The exit code of each command is written down.
- [ ] Nobody works at the same stores beside the run.

**After a restore or a recovery**

- [ ] Exit code 0, or 3 with every warning read.
- [ ] The application works with its own data, seen by somebody who knows it.
- [ ] A new backup is there and proven:

  \`\`\`sh
  dr backup --all
  dr verify
  dr status
  \`\`\`

- [ ] What was kept is written down with the command that removes it (the end of the report prints both).

**After a failover, also**

- [ ] \`activeSite\` is the new site on every machine; the workers run with it; \`dr schedule list\` shows every schedule \`on\`.
- [ ] The old site stays off, its stores too, until it is rebuilt.
- [ ] ${facts.name === null ? 'Clients are sent to the new site' : `\`${facts.name}\` gives the new address, asked from outside`}.
- [ ] Holdfast is not alone in one place: the new site's tiers and the escrow key are reachable.

**Every month**

- [ ] Somebody new does section C up to the plan, with this page alone.
- [ ] This page is printed again: \`dr reference\`.

${platformValues(facts)}`;

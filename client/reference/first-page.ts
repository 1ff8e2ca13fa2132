// The one page that is printed: look, decide, do. Whoever reads it has never seen Holdfast and is tired.
import { type ReferenceFacts, tableOf } from './facts.ts';

/** The first page. */
export function firstPage(facts: ReferenceFacts): string {
  return [head(facts), look(facts), decide(facts), failOver(facts)].join('\n\n');
}

function head(facts: ReferenceFacts): string {
  const { platform, active, standby, temporal, contacts } = facts;
  const over = standby === null ? 'There is no other site.' : `Site **${standby}** can take over.`;
  const people = contacts.map(({ role, name, reach }) => `${name} (${role}) ${reach}`).join(' · ');
  return `# ${platform}: when something is lost

Site **${active}** serves. ${over} Temporal: ${temporal}

**Call:** ${people || 'nobody is named: add `contacts` to `holdfast.yaml`'}

Log in where \`/etc/holdfast/holdfast.yaml\` is and Temporal is reached: at the witness, or at a site that lives. **Delete nothing. Restart nothing "to see whether it helps".** \`status\`, \`plan\`, \`--dry-run\` and \`--test\` change nothing.`;
}

function look({ active, standby }: ReferenceFacts): string {
  const sites = standby === null ? [active] : [active, standby];
  return `## 1. Look

\`\`\`sh
${sites.map((site) => `dr status --problems --site ${site}`).join('\n')}
dr runs list --running
\`\`\`

\`FAILED\`: asked, and not well. \`UNKNOWN\`: no answer; conclude nothing from it. \`WARNING\`: can wait.`;
}

function decide(facts: ReferenceFacts): string {
  const { active } = facts;
  return `## 2. Decide: the first line that fits

${tableOf(
  ['what you see', 'what you do'],
  [
    ['"no Temporal" or "no worker"', 'page 2, **Without Temporal or a worker**'],
    ['a run is `waiting for a person`', '`dr runs watch RUN`; it says what can wait'],
    ['files encrypted, backups deleted', 'page 2, **Ransomware**: restore nothing yet'],
    ['a table, database, key, queue or file is wrong', 'page 2, **Restore a part**'],
    [
      `whole stores are gone; ${active} lives`,
      `stop the applications; start empty stores at the same addresses; \`dr recover --dry-run\`, then \`dr recover\`; refused: page 2`,
    ],
    dead(facts),
  ],
)}`;
}

const dead = ({ active, standby }: ReferenceFacts): readonly string[] =>
  standby === null
    ? [`nothing of ${active} answers`, 'start empty stores on new machines, then as in the line above']
    : [`nothing of ${active} answers`, `section 3, unless ${active} is back before ${standby} would serve`];

// Where Terraform builds the site, the plan may find nothing to look at yet.
const unbuilt = ({ standby, configuration }: ReferenceFacts): string =>
  configuration.sites[standby ?? '']?.terraform === undefined
    ? ''
    : ` When it says that ${standby} does not stand yet: type \`run\`; it asks before it builds.`;

function failOver(facts: ReferenceFacts): string {
  const { platform, active, standby, approvals, people } = facts;
  if (standby === null) return '## 3. Another site\n\nNone is configured.';
  return `## 3. Site ${active} is dead: fail over to ${standby}

\`\`\`sh
dr failover plan --to ${standby}
dr failover run --to ${standby}
\`\`\`

1. **plan** changes nothing. It begins with what is lost, how long it takes and what nobody knows; its last line is the next command. When it says \`no proven backup\`, add \`--unproven\` to both.${unbuilt(facts)}
2. **run** stops at \`step 'approve' waits for a person\`. Leave it open; do not answer there. ${approvals} of ${people.join(', ') || '(nobody is named)'} each sign, on a machine with their own key and \`holdfast.yaml\`, and type \`${platform}\`:

   \`\`\`sh
   dr approve failover/${platform} --as ${people[0] ?? 'NAME'} --key KEY_FILE
   \`\`\`

3. It goes on by itself. Every question ends with the commands that answer it; type them in a second window. \`fence\`: ${active} **still answers**: stop its stores or its network, then retry; if it is well, abort. \`attest\`: ${active} is **silent**, which proves nothing: have somebody look (provider, power); skip only when it is off.

   \`\`\`sh
   dr runs retry failover/${platform} fence --reason "who stopped what"
   dr runs skip failover/${platform} attest --reason "who saw what"
   dr runs abort failover/${platform} --reason "why"
   \`\`\`

4. It is over when it says \`site '${standby}' serves now\`. Then: start the applications at ${standby}; in \`holdfast.yaml\` on every machine set \`activeSite: ${standby}\`; restart the workers (\`dr worker\`); \`dr schedule apply\`; \`dr status\`. Keep ${active} off.`;
}

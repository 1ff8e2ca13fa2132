// The quick reference of a platform as Markdown: one page to print, then what is looked up.
import type { Configuration } from '../../domain/configuration/schema.ts';
import { checklists, copyPaste } from './commands.ts';
import { factsOf } from './facts.ts';
import { faultTables } from './faults.ts';
import { firstPage } from './first-page.ts';

/** Where a printer begins a new sheet; nothing is seen of it on a screen. */
export const PAGE_END = '<div style="break-after: page"></div>';

const MORE = `## More

[Recovery procedures](RECOVERY_PROCEDURES.md) explain every command here. The [disaster recovery plan](DISASTER_RECOVERY_PLAN.md) has the scenarios, roles and communication. [Backup procedures](BACKUP_PROCEDURES.md#troubleshooting) list every failure code.`;

/** The whole text. */
export function referenceText(configuration: Configuration): string {
  const facts = factsOf(configuration);
  return `${[firstPage(facts), PAGE_END, copyPaste(facts), checklists(facts), faultTables(), MORE].join('\n\n')}\n`;
}

// dr audit list|verify
import { parseHead } from '../../domain/audit.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { EXIT, Failure } from '../../domain/failures.ts';
import type { Call, CommandGroup } from '../command.ts';
import { table, timeText } from '../output/human.ts';
import { findingsText } from '../output/report.ts';
import { askQuestion, WITHOUT_TEMPORAL } from '../temporal/question.ts';

export const spec: CommandGroup = {
  name: 'audit',
  summary: 'read and check the audit log',
  commands: [
    {
      name: 'list',
      summary: 'show the newest records: who did what, when and why',
      options: [{ flags: '--newest <count>', description: 'how many', default: '20' }, WITHOUT_TEMPORAL],
      examples: [['dr audit list --newest 50', 'the last fifty acts']],
      exits: ['noTemporal', 'verificationFailed'],
      run: list,
    },
    {
      name: 'verify',
      summary: 'check that no record was edited, reordered or cut',
      options: [
        { flags: '--head <number:hash>', description: 'a head that this command printed earlier and you kept' },
        WITHOUT_TEMPORAL,
      ],
      examples: [
        ['dr audit verify', 'follow the whole chain, and compare the copies in the tiers'],
        ['dr audit verify --head 42:HASH', 'and that record 42 is still the one you wrote down'],
      ],
      exits: ['noTemporal', 'verificationFailed'],
      run: verify,
    },
  ],
};

interface AuditLine {
  readonly at?: string;
  readonly act: string;
  readonly subject: string;
  readonly person: string;
  readonly reason: string;
}

async function list(call: Call): Promise<number> {
  const newest = Number(call.options.text('newest'));
  if (!Number.isInteger(newest) || newest < 1) throw new Failure('USAGE', '--newest is a whole number from 1');
  const records = await askQuestion<readonly AuditLine[]>(call, { kind: 'listAudit', newest });
  call.output.answer(records.length === 0 ? 'the audit log is empty' : auditTable(records), records);
  return EXIT.done;
}

const auditTable = (records: readonly AuditLine[]): string =>
  table<AuditLine>(
    [
      { title: 'WHEN', value: ({ at }) => timeText(at ?? '') },
      { title: 'WHO', value: ({ person }) => person },
      { title: 'ACT', value: ({ act }) => act },
      { title: 'ON', value: ({ subject }) => subject },
      { title: 'WHY', value: ({ reason }) => reason },
    ],
    records,
  );

async function verify(call: Call): Promise<number> {
  const head = call.options.text('head');
  if (head !== undefined && parseHead(head) === null)
    throw new Failure('USAGE', "--head is NUMBER:HASH, as 'dr audit verify' prints it");
  const answer = await askQuestion<unknown>(call, { kind: 'verifyAudit', ...(head === undefined ? {} : { head }) });
  const findings = Array.isArray(answer) ? (answer as readonly Finding[]) : [];
  call.output.answer(
    findings.length === 0 ? 'the audit log is whole' : findingsText(findings, call.output, true),
    answer,
  );
  return findings.some(({ level }) => level === 'failed') ? EXIT.verificationFailed : EXIT.done;
}

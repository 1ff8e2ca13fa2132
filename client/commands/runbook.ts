// dr runbook
import { EXIT } from '../../domain/failures.ts';
import type { CommandSpec } from '../command.ts';
import { askQuestion, WITHOUT_TEMPORAL } from '../temporal/question.ts';

export const spec: CommandSpec = {
  name: 'runbook',
  summary: 'print how to restore without Holdfast',
  options: [WITHOUT_TEMPORAL],
  examples: [
    ['dr runbook', 'the text that lies as runbook.md in every tier'],
    ['dr runbook --without-temporal > runbook.md', 'when Temporal is down'],
  ],
  exits: ['noTemporal', 'verificationFailed'],
  run: async (call) => {
    const runbook = await askQuestion<string>(call, { kind: 'runbook' });
    call.output.answer(runbook, { runbook });
    return EXIT.done;
  },
};

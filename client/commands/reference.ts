// dr reference
import { EXIT } from '../../domain/failures.ts';
import type { CommandSpec } from '../command.ts';
import { loadConfiguration } from '../configuration-file.ts';
import { referenceText } from '../reference/reference.ts';

export const spec: CommandSpec = {
  name: 'reference',
  summary: 'print the quick reference of this platform: one page to print, then commands, checklists, faults',
  examples: [
    ['dr reference > orders.md', 'with its sites, people, contacts and objectives; print its first page'],
    ['dr reference | less', 'read it here'],
  ],
  notes: 'It is made from the configuration alone and holds no secret. Print it again when the configuration changes.',
  run: async (call) => {
    const { configuration } = await loadConfiguration(call);
    const reference = referenceText(configuration);
    call.output.answer(reference, { reference });
    return EXIT.done;
  },
};

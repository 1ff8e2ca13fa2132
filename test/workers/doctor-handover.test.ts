import { expect, it } from 'vitest';
import { checkHandover } from '../../workers/doctor-handover.ts';

it('doctor looks for what an agent runs, and says what its lease costs', async () => {
  const lease = { length: '60s', stores: ['/mnt/one', '/mnt/two'] };
  const agent = { start: [['sh', '-c', 'true']], fence: [['no-such-program']], limit: '60s', every: '5s', lease };
  const [section] = await checkHandover({ agent });
  expect(section?.findings).toMatchObject([
    { level: 'ok', subject: 'agent.start command 1' },
    {
      level: 'warning',
      subject: 'agent.fence command 1',
      message: "'no-such-program' is not on this machine; 'dr agent' of this site runs it",
    },
    {
      level: 'ok',
      subject: 'lease',
      message:
        'the site stops serving when neither /mnt/one nor /mnt/two was reached for 60s, also when nobody took over',
    },
  ]);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskedTextDiff } from '../../../domain/systems/config-masking.ts';

const mark = (value: string) => `<${value.length}>`;
const diff = (before: string, after: string) => maskedTextDiff(before, after, mark);

describe('maskedTextDiff', () => {
  it('tells settings by their key, in .env, YAML, INI and JSON', () => {
    const before = 'A=1\nexport B="x"\nsection:\n  key: value\nini = 5\n"json": "v",\n';
    const after = 'A=22\nexport B="x"\nsection:\n  key: other!\nini = 55\n"json": "vv",\nC=\n';
    expect(diff(before, after)).toEqual([
      { change: 'changed', where: 'A', before: '<1>', after: '<2>' },
      { change: 'changed', where: 'key', before: '<5>', after: '<6>' },
      { change: 'changed', where: 'ini', before: '<1>', after: '<2>' },
      { change: 'changed', where: 'json', before: '<4>', after: '<5>' },
      { change: 'added', where: 'C', before: null, after: '<0>' },
    ]);
  });

  it('tells other lines by their number only', () => {
    expect(diff('one\ntwo\n', 'one\nthree\n')).toEqual([
      { change: 'removed', where: 'line 2', before: '<3>', after: null },
      { change: 'added', where: 'line 2', before: null, after: '<5>' },
    ]);
  });

  it.each(['c2VjcmV0==', 'c2VjcmV0=', 'user:$apr1$hash', 'deadbeef'])('takes %j for a value, not for a key', (line) => {
    expect(JSON.stringify(diff('', line))).not.toContain(line.slice(0, 4));
  });

  it('shows no line of a key file', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIIabc=def\n-----END PRIVATE KEY-----\n';
    expect(JSON.stringify(diff('', pem))).not.toMatch(/MII|BEGIN/);
  });

  it('finds nothing between equal texts and something between texts with different lines', () => {
    const line = fc.constantFrom('A=1', 'A=2', 'x', 'y', '', 'k: v');
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (a, b) => {
        expect(diff(a.join('\n'), a.join('\n'))).toEqual([]);
        if (a.toSorted().join() !== b.toSorted().join())
          expect(diff(`${a.join('\n')}\n`, `${b.join('\n')}\n`)).not.toEqual([]);
      }),
    );
  });

  it('never tells a value', () => {
    const value = fc.stringMatching(/^canary[a-zA-Z0-9 =:#"']{0,20}$/);
    fc.assert(
      fc.property(value, value, (a, b) => {
        const told = JSON.stringify(diff(`KEY=${a}\n- ${a}\n`, `KEY=${b}\n- ${b}\n`));
        expect(told.replaceAll(/"where":"canary[\w.-]*"/g, '')).not.toContain('canary');
      }),
    );
  });
});

// The quick reference in the tree is what the program prints for the sample platform, and its first page is one page.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PAGE_END, referenceText } from '../../client/reference/reference.ts';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import type { Configuration } from '../../domain/configuration/schema.ts';
import { QUICK_REFERENCE } from './document-commands.ts';

const sample = parseConfiguration(readFileSync('docs/sample-platform.yaml', 'utf8')).configuration as Configuration;
const pageOf = (configuration: Configuration) => referenceText(configuration).split(PAGE_END)[0] ?? '';
/** Lines as a printer sets them, of about 95 characters. */
const printedLines = (text: string) =>
  text.split('\n').reduce((sum, line) => sum + Math.max(1, Math.ceil(line.replaceAll(/ {2,}/g, ' ').length / 95)), 0);

describe('the quick reference', () => {
  it('in the tree is what dr reference prints for the sample platform', () => {
    expect(readFileSync(QUICK_REFERENCE, 'utf8')).toBe(referenceText(sample));
  });

  it('begins with what fits one printed page', () => {
    expect(printedLines(pageOf(sample))).toBeLessThan(74);
  });

  it('names the sites, people and contacts of the platform', () => {
    for (const word of ['--to east', 'anna, ben, carla', 'Anna Berger', '+49 30 555 0101', 'failover/orders'])
      expect(pageOf(sample)).toContain(word);
  });

  it('offers no failover where there is no other site, and says whom nobody has named', () => {
    const { west } = sample.sites;
    const alone = { ...sample, sites: { west }, contacts: [], costs: undefined, dns: undefined } as Configuration;
    expect(pageOf(alone)).not.toContain('dr failover');
    expect(pageOf(alone)).toContain('There is no other site.');
    expect(pageOf(alone)).toContain('**Call:** nobody is named');
  });

  it('holds no secret and no reference to one', () => {
    expect(referenceText(sample)).not.toMatch(/\$\{(?:file|env|command):/);
  });
});

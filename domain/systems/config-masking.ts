// What changed in a text file, told without telling any value: settings by their key, everything else by line number,
// values as short fingerprints. Whoever reads the difference learns that a password changed, and nothing else.

/** A short one-way mark of a value; equal values have equal marks within one comparison. */
export type Fingerprint = (value: string) => string;

export interface LineChange {
  readonly change: 'added' | 'removed' | 'changed';
  /** The setting's key, or `line N` where there is none that may be shown. */
  readonly where: string;
  readonly before: string | null;
  readonly after: string | null;
}

interface Setting {
  readonly where: string;
  readonly value: string;
}

/** The changed settings and lines between two texts, values masked. Comments and blank lines count as lines. */
export function maskedTextDiff(before: string, after: string, fingerprint: Fingerprint): LineChange[] {
  const [old, now] = [settingsOf(before), settingsOf(after)];
  const keyed = [...new Set([...old.keyed.keys(), ...now.keyed.keys()])].flatMap((where) =>
    changeOf(where, old.keyed.get(where), now.keyed.get(where), fingerprint),
  );
  const gone = without(old.lines, now.lines).map(({ where, value }) => changeOf(where, value, undefined, fingerprint));
  const come = without(now.lines, old.lines).map(({ where, value }) => changeOf(where, undefined, value, fingerprint));
  return [...keyed, ...gone.flat(), ...come.flat()];
}

function changeOf(where: string, before: string | undefined, after: string | undefined, mark: Fingerprint) {
  if (before === after) return [];
  const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  const shown = (value: string | undefined) => (value === undefined ? null : mark(value));
  return [{ change, where, before: shown(before), after: shown(after) } satisfies LineChange];
}

function without(lines: readonly Setting[], others: readonly Setting[]): Setting[] {
  const left = new Map<string, number>();
  for (const { value } of others) left.set(value, (left.get(value) ?? 0) + 1);
  return lines.filter(({ value }) => {
    const count = left.get(value) ?? 0;
    left.set(value, count - 1);
    return count <= 0;
  });
}

function settingsOf(text: string): { keyed: Map<string, string>; lines: Setting[] } {
  const keyed = new Map<string, string>();
  const lines: Setting[] = [];
  const mayHoldKeys = !text.includes('-----BEGIN');
  const all = text.split(/\r?\n/);
  if (all.at(-1) === '') all.pop();
  for (const [index, line] of all.entries()) {
    const setting = mayHoldKeys ? parseSetting(line) : null;
    if (setting === null) lines.push({ where: `line ${index + 1}`, value: line });
    else keyed.set(numbered(keyed, setting.where), setting.value);
  }
  return { keyed, lines };
}

// The same key may stand several times (nested YAML): its second place is `key (2)`.
function numbered(keyed: ReadonlyMap<string, string>, where: string): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? where : `${where} (${count})`;
    if (!keyed.has(name)) return name;
  }
}

const SETTING = /^\s*(?:export\s+|-\s+)?"?([A-Za-z_][\w.-]{0,63})"?\s*(=|:(?=\s|$))\s*(.*)$/s;

// A line of base64 looks like a key and an equals sign: what could be one is not shown.
function parseSetting(line: string): Setting | null {
  const [, key, sign, value] = SETTING.exec(line) ?? [];
  if (key === undefined || value === undefined) return null;
  const isPlain = /^[A-Z][A-Z0-9_]*$/.test(key) || sign === ':';
  return isPlain || !/^=?$/.test(value.trim()) ? { where: key, value } : null;
}

// Redis' accounts as `ACL LIST` prints them. The lines hold password hashes: they are compared, never shown.

export interface AclUser {
  readonly name: string;
  /** Rules after the name, as `ACL SETUSER` takes them. */
  readonly rules: readonly string[];
}

/** What holds unless the opposite is said; some servers print it only for accounts that were reset. */
const DEFAULT_RULE = 'sanitize-payload';

/** @throws {RangeError} for a line that is not `user <name> <rules>`; the line is not told. */
export function parseAcl(text: string): readonly AclUser[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line, index) => {
    const [word, name, ...rules] = line.split(' ');
    if (word !== 'user' || name === undefined) throw new RangeError(`line ${index + 1} names no user`);
    return { name, rules: joinSelectors(rules.filter((rule) => rule !== DEFAULT_RULE)) };
  });
}

/** Names of users that are in the backup and differ from, or are missing in, what is there now. */
export function differingUsers(backup: readonly AclUser[], now: readonly AclUser[]): readonly string[] {
  const known = new Map(now.map((user) => [user.name, user.rules.join(' ')]));
  return backup.filter((user) => known.get(user.name) !== user.rules.join(' ')).map(({ name }) => name);
}

// `(~a +get)` is one rule although it has spaces.
function joinSelectors(words: readonly string[]): string[] {
  const rules: string[] = [];
  let open: string[] | null = null;
  for (const word of words) {
    if (open === null && word.startsWith('(')) open = [];
    if (open === null) rules.push(word);
    else open.push(word);
    if (open !== null && word.endsWith(')')) {
      rules.push(open.join(' '));
      open = null;
    }
  }
  return open === null ? rules : [...rules, open.join(' ')];
}

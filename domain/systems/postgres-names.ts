// Names of PostgreSQL are data that anyone may have chosen: here is how each reader of them wants them quoted.

/** A name as SQL wants it: `"odd ""name"""`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL wants it, whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}

/** `"schema"."table"`. pg_dump's --table takes the same form as a literal pattern. */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** SQL that is true of every database but PostgreSQL's own two templates: a template of the platform's own holds data too. */
export const IS_PLATFORM_DATABASE = "datname not in ('template0', 'template1')";

/** SQL that is true of a database that can be entered: -2 marks one whose DROP DATABASE was interrupted. */
export const IS_OPEN = 'datallowconn and datconnlimit <> -2';

/** A libpq connection string that names one database, safe for names with `=`, quotes or a URL's look. */
export function databaseConnection(database: string): string {
  return `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** The only line of a password file that fits every host, port, database and user. */
export function passwordFileLine(password: string): string {
  return `*:*:*:*:${password.replaceAll('\\', '\\\\').replaceAll(':', '\\:')}\n`;
}

const NAME_BYTES = 63;

// Shortens at a character's border so that `suffix` fits into PostgreSQL's 63 bytes.
function nameWithSuffix(name: string, suffix: string): string {
  const room = NAME_BYTES - byteLength(suffix);
  let kept = '';
  let bytes = 0;
  for (const character of name) {
    bytes += byteLength(character);
    if (bytes > room) break;
    kept += character;
  }
  return kept + suffix;
}

const byteLength = (text: string): number => new TextEncoder().encode(text).byteLength;

/** Eight characters of a run's id: they mark what the run made inside a server. */
export function runMark(run: string): string {
  return run
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .slice(-8)
    .padStart(8, '0');
}

/**
 * Name under which the replaced database stays: `<name>__kept_<run>`. A name too long for that is shortened and gets the
 * database's number, because two long names may begin alike.
 */
export function keptDatabaseName({ database, index }: { database: string; index: number }, run: string): string {
  const suffix = `__kept_${runMark(run)}`;
  const isLong = byteLength(database) + byteLength(suffix) > NAME_BYTES;
  return nameWithSuffix(database, isLong ? `~${index}${suffix}` : suffix);
}

/** Name under which a database is loaded before it takes its place. */
export function loadingDatabaseName(index: number, run: string): string {
  return `holdfast_${runMark(run)}_${String(index).padStart(4, '0')}`;
}

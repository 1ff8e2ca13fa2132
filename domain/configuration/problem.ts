// One thing wrong, or doubtful, with a configuration file, and how it is told.

export type PathPart = string | number;

export interface ConfigurationProblem {
  readonly level: 'error' | 'warning';
  /** From 1; null when the place is not in the file. */
  readonly line: number | null;
  readonly column: number | null;
  /** For example `sites.west.postgres.port`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and the rule, lower case. Never holds a secret. */
  readonly message: string;
  /** A value that would be right. */
  readonly example: string | null;
}

/** What a rule found: the position is looked up afterwards. */
export interface RuleFinding {
  readonly level: 'error' | 'warning';
  readonly path: readonly PathPart[];
  readonly message: string;
  readonly example?: string;
}

/** `sites.west.tls.certificates[0].name` */
export function pathText(path: readonly PathPart[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
}

/** One line: `holdfast.yaml:12:11: error: sites.west.postgres.port: …; for example 5432`. */
export function problemLine(file: string, problem: ConfigurationProblem): string {
  const place = problem.line === null ? file : `${file}:${problem.line}:${problem.column ?? 1}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const example = problem.example === null ? '' : `; for example ${problem.example}`;
  return `${place}: ${problem.level}: ${path}${problem.message}${example}`;
}

/** Errors first, then by place in the file. */
export function inReadingOrder(problems: readonly ConfigurationProblem[]): ConfigurationProblem[] {
  const rank = (one: ConfigurationProblem) => [one.level === 'error' ? 0 : 1, one.line ?? 0, one.column ?? 0] as const;
  return [...problems].sort((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first[0] - second[0] || first[1] - second[1] || first[2] - second[2];
  });
}

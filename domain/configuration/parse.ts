// YAML text to a configuration, or everything that is wrong with it at once.
import { type ConfigurationProblem, inReadingOrder, pathText, type RuleFinding } from './problem.ts';
import { checkRules } from './rules.ts';
import { type Configuration, configurationSchema } from './schema.ts';
import { schemaProblems } from './schema-problems.ts';
import { readYaml, type YamlSource } from './yaml-source.ts';

export interface ParsedConfiguration {
  /** Null when there is at least one error. */
  readonly configuration: Configuration | null;
  /** Errors first, then warnings, each in the order of the file. */
  readonly problems: readonly ConfigurationProblem[];
}

/** Reads a configuration. Never throws: syntax, schema and cross-field rules are all told together. */
export function parseConfiguration(text: string): ParsedConfiguration {
  const source = readYaml(text);
  if (!source.readable) return { configuration: null, problems: inReadingOrder(source.problems) };
  const parsed = configurationSchema.safeParse(source.value, { reportInput: true });
  const problems = parsed.success
    ? [...source.problems, ...checkRules(parsed.data).map((finding) => placed(finding, source))]
    : [
        ...source.problems,
        ...parsed.error.issues.flatMap((issue) => schemaProblems(configurationSchema, issue, source)),
        ...ruleErrorsOfTheRest(source, parsed.error.issues),
      ];
  const failed = !parsed.success || problems.some((problem) => problem.level === 'error');
  return { configuration: failed ? null : parsed.data, problems: inReadingOrder(problems) };
}

function placed(finding: RuleFinding, source: YamlSource): ConfigurationProblem {
  const { level, path, message, example = null } = finding;
  return { level, ...source.positionOf(path), path: pathText(path), message, example };
}

interface PlainIssue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly keys?: readonly string[];
}

// Rules need a whole configuration. Where leaving out what is wrong gives one (unknown names, values with a default),
// the rules' errors are told too, so that one reading is enough. Their warnings wait: they may come from what was left out.
function ruleErrorsOfTheRest(source: YamlSource, issues: readonly PlainIssue[]): ConfigurationProblem[] {
  const rest = structuredClone(source.value);
  for (const issue of issues) removeCause(rest, issue);
  const parsed = configurationSchema.safeParse(rest);
  if (!parsed.success) return [];
  return checkRules(parsed.data)
    .filter((finding) => finding.level === 'error')
    .map((finding) => placed(finding, source));
}

function removeCause(root: unknown, issue: PlainIssue): void {
  const paths = issue.keys ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
  for (const path of paths) {
    const parent = path.slice(0, -1).reduce<unknown>((at, part) => member(at, part), root);
    const last = path.at(-1);
    if (typeof parent === 'object' && parent !== null && !Array.isArray(parent) && last !== undefined)
      delete (parent as Record<PropertyKey, unknown>)[last];
  }
}

const member = (value: unknown, part: PropertyKey): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined;

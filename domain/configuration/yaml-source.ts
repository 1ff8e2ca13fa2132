// Reading YAML with positions. The library's own messages may quote the source, and with it a secret, so each of its
// codes has words of ours.
import {
  type Document,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { type ConfigurationProblem, type PathPart, pathText } from './problem.ts';

export interface YamlSource {
  readonly value: unknown;
  readonly problems: readonly ConfigurationProblem[];
  /** False when the text is not YAML: then `value` means nothing. */
  readonly readable: boolean;
  /** Line and column of the value at `path`, or of the nearest thing around it that is there. */
  positionOf(path: readonly PathPart[]): Position;
  /** Line and column of the key that `path` ends with. */
  positionOfKey(path: readonly PathPart[]): Position;
}

export interface Position {
  readonly line: number | null;
  readonly column: number | null;
}

const WORDS: Record<string, string> = {
  ALIAS_PROPS: 'an alias cannot have properties',
  BAD_ALIAS: 'this alias is not usable',
  BAD_DIRECTIVE: 'this directive is not known',
  BAD_INDENT: 'the indentation does not fit, or a bracket is not closed',
  BAD_SCALAR_START: 'a plain text cannot start with this character: put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'the indentation does not fit, or a text with a colon needs quotes',
  BLOCK_IN_FLOW: 'a list or map by indentation cannot stand inside brackets',
  DUPLICATE_KEY: 'this name is given twice',
  MISSING_CHAR: 'a closing quote, bracket, colon or comma is missing',
  MULTILINE_IMPLICIT_KEY: 'the indentation does not fit: a name must stand on one line',
  MULTIPLE_DOCS: 'the file holds more than one document',
  TAB_AS_INDENT: 'indent with spaces, not tabs',
  UNEXPECTED_TOKEN: 'this does not belong here: check the indentation and the quotes',
};

/** Parses one YAML document. Never throws; never quotes the text. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, merge: false });
  const at = (offset: number | undefined): Position => {
    if (offset === undefined) return { line: null, column: null };
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const syntax = document.errors.map((error) => syntaxProblem(error, at(error.pos[0])));
  const readable = document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  const plain = readable ? plainValue(document, at) : { value: undefined, problems: [] };
  return {
    value: plain.value,
    readable: readable && plain.value !== undefined,
    problems: [...syntax, ...plain.problems],
    positionOf: (path) => at(offsetOf(document, path)),
    positionOfKey: (path) => at(keyOffset(document, path)),
  };
}

function syntaxProblem(error: YAMLError, position: Position): ConfigurationProblem {
  const message = WORDS[error.code] ?? 'this is not YAML';
  return { level: 'error', ...position, path: '', message, example: null };
}

function plainValue(
  document: Document.Parsed,
  at: (offset: number | undefined) => Position,
): { value: unknown; problems: ConfigurationProblem[] } {
  const problems: ConfigurationProblem[] = [];
  const refuse = (offset: number | undefined, message: string) =>
    problems.push({ level: 'error', ...at(offset), path: '', message, example: null });
  visit(document, {
    Alias: (_, alias) => void refuse(alias.range?.[0], 'aliases are not used here: write the value out'),
    // A schema library cannot see this key, so it would be ignored silently.
    Pair: (_, pair) => void (keyText(pair) === '__proto__' && refuse(rangeStart(pair.key), 'this name cannot be used')),
  });
  if (problems.length > 0) return { value: undefined, problems };
  return { value: document.toJS() ?? {}, problems };
}

const rangeStart = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);
const keyText = (pair: Pair): string => (isScalar(pair.key) ? String(pair.key.value) : '');

function offsetOf(document: Document.Parsed, path: readonly PathPart[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (!isNode(node)) continue;
    // A block collection begins at its first entry: the name above it is what a reader looks for.
    const found = isCollection(node) && !node.flow ? keyOffset(document, path.slice(0, length)) : node.range?.[0];
    if (found !== undefined) return found;
  }
  return rangeStart(document.contents);
}

function keyOffset(document: Document.Parsed, path: readonly PathPart[]): number | undefined {
  const parentPath = path.slice(0, -1);
  const parent = parentPath.length === 0 ? document.contents : document.getIn(parentPath, true);
  const name = String(path.at(-1));
  const pair = isMap(parent) ? parent.items.find((item) => isPair(item) && keyText(item) === name) : undefined;
  return rangeStart(pair?.key) ?? rangeStart(document.getIn(path, true)) ?? rangeStart(parent);
}

/** True for a value whose place in the path suggests that it must not be repeated in a message. */
export function isSecretLike(path: readonly PathPart[], value: unknown): boolean {
  if (/(password|secret|token|key|url|command|^env$)/i.test(pathText(path.slice(-2)))) return true;
  return typeof value === 'string' && (value.includes('@') || /PRIVATE KEY/.test(value) || value.length > 80);
}

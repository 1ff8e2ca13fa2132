// What the documents say that can be tried: the commands of their fenced blocks, in reading order, their links, and the
// commands that they name in passing.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DocumentCommand {
  readonly document: string;
  readonly line: number;
  /** As it stands there, without the comment. */
  readonly text: string;
  readonly words: readonly string[];
  /** Exit codes that are right: 0, or what a trailing comment says (`# exit 8`, `# exit 0 or 3`); without one the quick
   * reference takes both codes of "done". */
  readonly exits: readonly number[];
  /** True when the line reads standard input from a file. */
  readonly readsInput: boolean;
}

/** The documents for people, in the order in which they are read. */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'CONTRIBUTING.md',
];

/** The page for the worst hour, made from `docs/sample-platform.yaml`. */
export const QUICK_REFERENCE = 'docs/DR_QUICK_REFERENCE.md';

/** Every document with links, the decisions too. */
export const LINKED: readonly string[] = [
  ...DOCUMENTS,
  ...readdirSync('docs/decisions').map((name) => join('docs/decisions', name)),
];

const FENCE = /^ *```(\w*)/;

/** The commands of one document: lines of `sh` blocks, and of `console` blocks those that begin with `$`. */
export function commandsOf(document: string): DocumentCommand[] {
  let language: string | null = null;
  const commands: DocumentCommand[] = [];
  for (const [index, raw] of readFileSync(document, 'utf8').split('\n').entries()) {
    const fence = FENCE.exec(raw);
    if (fence) {
      language = language === null ? (fence[1] ?? '') : null;
      continue;
    }
    const text = commandIn(language, raw.trim());
    if (text !== null) commands.push({ document, line: index + 1, ...parsed(text, usualExits(document)) });
  }
  return commands;
}

function commandIn(language: string | null, line: string): string | null {
  if (line === '' || line.startsWith('#')) return null;
  if (language === 'sh') return line;
  return language === 'console' && line.startsWith('$ ') ? line.slice(2) : null;
}

const usualExits = (document: string): readonly number[] => (document === QUICK_REFERENCE ? [0, 3] : [0]);

function parsed(line: string, usual: readonly number[]): Omit<DocumentCommand, 'document' | 'line'> {
  const [, text = '', comment = ''] = /^(.*?)(?: +# (.*))?$/.exec(line) ?? [];
  const exits = /^exit (\d+)(?: or (\d+))?/
    .exec(comment)
    ?.slice(1)
    .flatMap((code) => (code ? [Number(code)] : []));
  const [command = '', input] = text.split(' < ');
  return { text, words: wordsOf(command), exits: exits ?? usual, readsInput: input !== undefined };
}

/** Words as a shell would part them, as far as the documents need it: quotes, nothing else. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word.replaceAll(/["']/g, ''));
}

/** Targets of relative links, without their anchors. */
export function linksOf(document: string): string[] {
  return [...readFileSync(document, 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].map(
    ([, target]) => target ?? '',
  );
}

/** Anchors within the same document that its links name, and those that its headings make. */
export function anchorsOf(document: string): { readonly named: string[]; readonly there: string[] } {
  const text = readFileSync(document, 'utf8');
  const named = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor ?? '');
  const there = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return { named, there };
}

/** `dr …` in backticks or quotes within sentences, failures' advice included: the words up to the first that is no name. */
export function namedCommands(text: string): string[][] {
  return [...text.matchAll(/[`']dr ([a-z][^`'\n]*)[`']/g)].map(([, words = '']) => {
    const parts = words.split(' ');
    const end = parts.findIndex((word) => !/^[a-z-]+$/.test(word) || word.startsWith('-'));
    return end < 0 ? parts : parts.slice(0, end);
  });
}

// How a run tells its story in Markdown: the Web UI shows this text live as the run's current details.
import type { OperatorQuestion, RunState, StepState, StepStatus } from './run-state.ts';

const MARKS: Readonly<Record<StepStatus, string>> = {
  pending: '·',
  running: '▶ running',
  waiting: '✋ waits for you',
  done: '✔ done',
  skipped: '↷ skipped',
  failed: '✘ failed',
  undone: '↩ undone',
  'undo-failed': '‼ undo failed',
};

/** The live step table with the open questions above it and the next command in it. */
export function renderRunState(state: RunState, run: string): string {
  const lines = [`## ${state.title}`, '', `**${state.outcome ?? state.phase}**`];
  for (const question of state.questions) lines.push('', ...renderQuestion(question, run));
  if (state.plan !== null) lines.push('', '### Plan', '', ...state.plan.summary.map(listed));
  if (state.measured.length > 0) lines.push('', '### Measured', '', ...state.measured.map(listed));
  lines.push('', '| step | state | detail |', '| --- | --- | --- |', ...state.steps.map(renderStep));
  return lines.join('\n');
}

const listed = (line: string): string => `- ${escapeCell(line)}`;

function renderStep({ title, status, detail }: StepState): string {
  return `| ${escapeCell(title)} | ${MARKS[status]} | ${escapeCell(detail)} |`;
}

function renderQuestion({ step, message, actions, safeToLeave }: OperatorQuestion, run: string): string[] {
  const isApproval = actions.includes('approve');
  const update = isApproval
    ? 'Update **approvePlan** `{"digest":"…","platform":"…","person":"you"}`'
    : `Update **resolveStep** \`{"step":"${step}","action":"${actions.join('|')}","reason":"…"}\``;
  const command = isApproval ? `dr runs watch ${run}` : `dr runs ${actions.join('|')} ${run} ${step} --reason "…"`;
  return [
    `### A person is needed: ${step}`,
    '',
    ...message.split('\n').map((line) => `> ${line}  `),
    '',
    `- Here: ${update}`,
    `- Terminal: \`${command}\``,
    ...(safeToLeave === '' ? [] : [`- Until morning: ${safeToLeave}`]),
  ];
}

// Names from outside may hold anything: they must not break the table or become markup.
function escapeCell(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ⏎ ').replaceAll(/[|<>`\\]/g, (character) => `\\${character}`);
}

// The status as one page that needs nothing else: no script, no font, no picture from anywhere. Every state is a word with
// a mark; colour only helps. It prints.
import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Health, StatusLine } from '../../domain/contracts/system-status.ts';
import { Failure } from '../../domain/failures.ts';
import { formatSeconds } from '../../domain/quantities.ts';
import { worstFirst } from '../../domain/status/lines.ts';
import { type ObjectiveStatus, objectiveLine } from '../../domain/status/objectives.ts';
import { type PlatformStatus, type StatusSection, summaryOf } from '../../domain/status/platform.ts';
import { timeText, visible } from './human.ts';

/** Writes the page (mode 0600) in place of an earlier one: a reader sees the old or the new, never a part. */
export async function writeStatusPage(file: string, status: PlatformStatus): Promise<void> {
  const temporary = join(dirname(file), `.status-${randomUUID()}`);
  try {
    await writeFile(temporary, statusPage(status), { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new Failure('USAGE', `the page cannot be written to '${file}' (${code})`, {}, cause);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text from anywhere as text of the page. */
const escaped = (text: string): string => visible(text).replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

const WORDS: Readonly<Record<Health, readonly [mark: string, word: string]>> = {
  ok: ['✔', 'well'],
  warning: ['!', 'warning'],
  unknown: ['?', 'unknown'],
  failed: ['✘', 'failed'],
};

const badge = (level: Health, word = WORDS[level][1]): string =>
  `<span class="badge ${level}"><span aria-hidden="true">${WORDS[level][0]}</span> ${escaped(word)}</span>`;

/** The whole page. */
export function statusPage(status: PlatformStatus): string {
  const { platform, site, at, level, objectives, sections } = status;
  const title = `${escaped(platform)} at site ${escaped(site)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: ${WORDS[level][1]}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${title}</h1><p>${badge(level)} <span class="when">${escaped(summaryOf(status))}; seen at ${escaped(timeText(at))}</span></p></header>
<nav aria-label="Parts"><ul>${sections.map(linkTo).join('')}</ul></nav>
<section><h2>Objectives</h2>${objectiveTable(objectives)}</section>
${sections.map(sectionText).join('\n')}
<footer>What could not be asked is unknown, never well. The age of this page is not the age of the platform's backups.</footer>
</body>
</html>
`;
}

const linkTo = ({ name, title, level }: StatusSection): string =>
  `<li><a href="#${escaped(name)}">${escaped(title)}</a> ${badge(level)}</li>`;

function objectiveTable(objectives: readonly ObjectiveStatus[]): string {
  const rows = objectives.map(objectiveRow).join('');
  const heads = ['Objective', 'Standing', 'Wanted', 'Measured', 'Used', 'By'].map(
    (one) => `<th scope="col">${one}</th>`,
  );
  return `<table><thead><tr>${heads.join('')}</tr></thead><tbody>${rows}</tbody></table>`;
}

function objectiveRow(objective: ObjectiveStatus): string {
  const { what, wantedSeconds, measuredSeconds, standing, why } = objective;
  const measured = measuredSeconds === null ? 'not measured' : formatSeconds(measuredSeconds);
  return `<tr><th scope="row">${escaped(what)} ${objective.objective}</th><td>${badge(objectiveLine(objective).level, standing)}</td>
<td class="number">${formatSeconds(wantedSeconds)}</td><td class="number">${measured}</td><td class="used">${bar(objective)}</td><td>${escaped(why)}</td></tr>`;
}

// How much of the objective is used up. The number stands beside it: the bar alone says nothing in print.
function bar({ wantedSeconds, measuredSeconds }: ObjectiveStatus): string {
  if (measuredSeconds === null || wantedSeconds === 0) return '';
  const percent = Math.round((measuredSeconds / wantedSeconds) * 100);
  const width = Math.min(percent, 100);
  const used = percent === 0 ? 'below 1' : percent;
  return `<span class="bar" aria-hidden="true"><span style="width:${width}%"></span></span> ${used} %`;
}

function sectionText({ name, title, level, lines }: StatusSection): string {
  const { shown, more } = worstFirst(lines);
  const rest = more === 0 ? '' : `<p>and ${more} more lines like the last</p>`;
  return `<section id="${escaped(name)}"><h2>${escaped(title)} ${badge(level)}</h2>
<table><tbody>${shown.map(lineRow).join('')}</tbody></table>${rest}</section>`;
}

function lineRow({ level, subject, message, mend }: StatusLine): string {
  const text = message.split('\n').map(escaped).join('<br>');
  const advice = mend === undefined || level === 'ok' ? '' : `<br><strong>DO:</strong> <code>${escaped(mend)}</code>`;
  return `<tr><td class="level">${badge(level)}</td><th scope="row">${escaped(subject)}</th><td>${text}${advice}</td></tr>`;
}

// Colours of Okabe and Ito, which people with any kind of colour-blindness tell apart; dark enough on white to read.
const STYLE = `
:root{color-scheme:light;--ok:#00664d;--warning:#8a5a00;--unknown:#4d4d4d;--failed:#a63a00;--line:#c8c8c8}
*{box-sizing:border-box}
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0 auto;max-width:1100px;padding:1.5rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:1.8rem 0 .5rem}
.when,footer{color:#4d4d4d}footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.6rem}
nav ul{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;list-style:none;padding:0}
section{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th[scope=row]{font-weight:600;width:22%}thead th{font-size:.85rem;color:#4d4d4d;white-space:nowrap}
.number{white-space:nowrap;text-align:right}.used{white-space:nowrap}.level{width:7.5rem}
.badge{display:inline-block;border:2px solid;border-radius:.3rem;padding:0 .45rem;font-weight:600;font-size:.85rem;white-space:nowrap}
.badge.ok{color:var(--ok)}.badge.warning{color:var(--warning);border-style:dashed}
.badge.unknown{color:var(--unknown);border-style:dotted}.badge.failed{color:#fff;background:var(--failed);border-color:var(--failed)}
.bar{display:inline-block;width:5rem;height:.7rem;border:1px solid #4d4d4d;vertical-align:middle}
.bar span{display:block;height:100%;background:#0072b2}
code{font:.9em ui-monospace,monospace;background:#f2f2f2;padding:0 .25rem}
@media print{body{max-width:none;padding:0;font-size:11px}nav{display:none}section,tr{break-inside:avoid}
.badge,.bar span{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;

// dr config check|show|schema

import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import { configurationJsonSchema } from '../../domain/configuration/json-schema.ts';
import { type ConfigurationProblem, problemLine } from '../../domain/configuration/problem.ts';
import { EXIT } from '../../domain/failures.ts';
import { counted } from '../../domain/quantities.ts';
import type { Call, CommandGroup } from '../command.ts';
import { configurationFile, invalid, loadConfiguration, parseFile } from '../configuration-file.ts';
import type { Output } from '../output/output.ts';

export const spec: CommandGroup = {
  name: 'config',
  summary: 'check, show or describe the configuration',
  commands: [
    {
      name: 'check',
      summary: 'tell everything that is wrong with the configuration, at once',
      examples: [
        ['dr config check', 'check the file in the usual place'],
        ['dr config check --config new.yaml --json', 'check another file, for a program'],
      ],
      exits: ['warnings'],
      run: check,
    },
    {
      name: 'show',
      summary: 'show the configuration with every default filled in (secrets stay references)',
      examples: [['dr config show', 'print it as YAML']],
      run: show,
    },
    {
      name: 'schema',
      summary: 'print the JSON Schema, for completion and checks in an editor',
      examples: [['dr config schema > holdfast.schema.json', 'save it for the editor']],
      notes:
        'In an editor with the YAML language server, begin holdfast.yaml with:\n  # yaml-language-server: $schema=holdfast.schema.json',
      run: schema,
    },
  ],
};

async function check(call: Call): Promise<number> {
  const file = configurationFile(call);
  const { configuration, problems } = await parseFile(file);
  if (configuration === null) {
    if (!call.output.isJson) throw invalid(file, problems);
    call.output.answer('', { file, valid: false, problems, error: { code: 'CONFIG_INVALID', exit: EXIT.usage } });
    return EXIT.usage;
  }
  const lines = problems.map((problem) => painted(file, problem, call.output));
  const summary = `'${file}' is right${problems.length > 0 ? `, with ${counted(problems.length, 'warning')}` : ''}`;
  call.output.answer([...lines, summary].join('\n'), { file, valid: true, problems });
  return problems.length > 0 ? EXIT.warnings : EXIT.done;
}

const painted = (file: string, problem: ConfigurationProblem, output: Output): string =>
  output.paint('yellow', problemLine(file, problem));

async function show(call: Call): Promise<number> {
  const { file, configuration } = await loadConfiguration(call);
  call.output.answer(
    `# ${pathToFileURL(file).pathname}, with every default\n${stringify(configuration)}`,
    configuration,
  );
  return EXIT.done;
}

async function schema(call: Call): Promise<number> {
  const document = configurationJsonSchema();
  call.output.answer(JSON.stringify(document, null, 2), document);
  return EXIT.done;
}

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withScope } from '../../../activities/shared/activity-context.ts';
import { runTool, startTool } from '../../../activities/shared/run-tool.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-tool-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const isAlive = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === false;
  } catch {
    return false;
  }
};

describe('runTool', () => {
  it('returns what the tool printed and hands it its input', async () => {
    expect(await runTool({ command: 'cat', args: [] }, 'a\nb')).toBe('a\nb');
  });

  it('gives arguments as they are: nothing in them is a shell word', async () => {
    const hostile = ['$(touch x)', "'; rm -rf /", '-n', '`id`', 'a\nb'];
    expect(await runTool({ command: 'printf', args: ['%s|', ...hostile] })).toBe(`${hostile.join('|')}|`);
  });

  it('gives the child none of the worker’s own environment', async () => {
    process.env.HOLDFAST_CANARY = 'canary-4711';
    const shown = await runTool({ command: 'env', args: [], env: { OWN: '1' } });
    delete process.env.HOLDFAST_CANARY;
    expect(shown).not.toContain('canary-4711');
    expect(shown).toContain('OWN=1');
  });

  it('says which tool is missing and how to get it', async () => {
    const failing = runTool({ command: 'no-such-tool', args: [], install: 'apt-get install it' });
    await expect(failing).rejects.toMatchObject({ code: 'TOOL_MISSING', details: { install: 'apt-get install it' } });
  });

  it('fails with the last words of the tool when it ends badly', async () => {
    const failing = runTool({ command: 'ls', args: ['--', '/no/such/place'] });
    await expect(failing).rejects.toMatchObject({
      code: 'TOOL_FAILED',
      message: expect.stringContaining('/no/such/place'),
    });
  });

  it.each([3, 60_000])('keeps %i bytes of a tool that ended before anybody began to read', async (bytes) => {
    const tool = startTool({ command: 'head', args: ['-c', String(bytes), '/dev/zero'] });
    await expect.poll(() => isAlive(tool.pid)).toBe(false);
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate); // Node has heard of the end by then.
    expect(await buffer(tool.stdout)).toEqual(Buffer.alloc(bytes));
    await tool.finished;
  });

  it('has no way out of an isolated place', async () => {
    const links = await runTool({ command: 'cat', args: ['/proc/net/dev'], isolated: true });
    expect(links.match(/^\s*(\w+):/gm)?.map((name) => name.trim())).toEqual(['lo:']);
  });
});

describe('startTool', () => {
  it('ends the whole process group when the activity is cancelled, and throws the reason', async () => {
    const controller = new AbortController();
    const mark = join(directory, 'group');
    const script = `sleep 300 & echo $! > ${mark}; trap '' TERM; wait`;
    const scope = { signal: controller.signal, progress: null };
    const running = withScope(scope, () => runTool({ command: 'bash', args: ['-c', script], killAfterMs: 200 }));
    const outcome = running.catch((error: unknown) => error);
    await expect.poll(() => existsSync(mark) && readFileSync(mark, 'utf8') !== '').toBe(true);
    const grandchild = Number(readFileSync(mark, 'utf8'));
    const reason = new Error('cancelled by a person');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await expect.poll(() => isAlive(grandchild)).toBe(false);
  });

  it('leaves no child behind when the worker is killed', async () => {
    const mark = join(directory, 'orphan');
    const module = new URL('../../../activities/shared/run-tool.ts', import.meta.url).href;
    const code = `const { startTool } = await import(${JSON.stringify(module)});
      const { writeFileSync } = await import('node:fs');
      writeFileSync(${JSON.stringify(mark)}, String(startTool({ command: 'sleep', args: ['300'] }).pid));`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
    await expect.poll(() => existsSync(mark) && readFileSync(mark, 'utf8'), { timeout: 10_000 }).toBeTruthy();
    const child = Number(readFileSync(mark, 'utf8'));
    expect(isAlive(child)).toBe(true);
    worker.kill('SIGKILL');
    await expect.poll(() => isAlive(child)).toBe(false);
  });

  it('streams: a consumer that stops reading stops the tool', async () => {
    const tool = startTool({ command: 'yes', args: [] });
    for await (const chunk of tool.stdout) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await tool.stop();
    expect(isAlive(tool.pid)).toBe(false);
  });
});

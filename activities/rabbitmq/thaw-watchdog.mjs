// Freezes a broker and thaws it again, whatever becomes of the worker. It runs in a session of its own, and it alone
// sends the stop: a worker that was paused between two steps can therefore never freeze without somebody to thaw.
// Standard input: one line of JSON {limitMs, processes: [{pid, startTicks}], freeze, thaw}, then `freeze`, then `thaw`.
// Its end (the worker died) thaws at once, and so does the limit. Standard output: `ready`, `frozen MS`, then `thawed MS`
// when asked, or `fired MS` when it was not; `stuck WORDS` when a thaw hook failed to the last. `failed WORDS` when the
// broker could not be frozen; it runs on then.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

let plan = null;
let frozenAt = null;
let limit = null;

const say = (words) => process.stdout.write(`${words}\n`);
process.stdout.on('error', () => undefined); // The worker is gone; thawing matters, not the telling.

const statOf = (path) => {
  // The command name may hold anything, so fields are counted from the last bracket: state is the first after it.
  const text = readFileSync(path, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
};

const isSame = ({ pid, startTicks }) => {
  try {
    return statOf(`/proc/${pid}/stat`)[19] === startTicks;
  } catch {
    return false;
  }
};

// The node starts short-lived children all the time (it looks at the free disk space by `df`). One that has ended, or that
// waits as a zombie for its stopped parent, writes nothing any more: it stands still for good.
const standsStill = (path) => {
  try {
    return ['T', 'Z', 'X'].includes(statOf(path)[0]);
  } catch {
    return true;
  }
};

const threadsOf = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
};

const hasStopped = ({ pid }) => threadsOf(pid).every((thread) => standsStill(`/proc/${pid}/task/${thread}/stat`));

const stop = ({ pid }) => {
  try {
    process.kill(pid, 'SIGSTOP');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
};

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const runHook = ([command, ...args], timeout) => {
  const { status, error, stderr } = spawnSync(command, args, { timeout, killSignal: 'SIGKILL' });
  if (error || status !== 0) throw new Error(`'${command}' failed: ${error?.message ?? String(stderr).slice(-500)}`);
};

// The first is the node itself; stopped first, it starts no further children.
const stopProcesses = () => {
  const [node] = plan.processes;
  if (!isSame(node)) throw new Error(`process ${node.pid} is not the one that was found`);
  for (const one of plan.processes) if (isSame(one)) stop(one);
  const deadline = performance.now() + plan.limitMs;
  while (!plan.processes.every(hasStopped)) {
    if (performance.now() > deadline) throw new Error('the broker did not stop in time');
    sleep(1);
  }
};

const continueProcesses = () => {
  for (const one of plan.processes) if (isSame(one)) process.kill(one.pid, 'SIGCONT');
};

const THAW_HOOK_MS = 10_000;
const THAW_TRIES = 30;

// A hook that fails is called again: leaving the broker frozen is the one thing that must not happen.
const thawByHook = (tries = THAW_TRIES) => {
  try {
    runHook(plan.thaw, THAW_HOOK_MS);
  } catch (error) {
    if (tries <= 1) throw error;
    sleep(500);
    thawByHook(tries - 1);
  }
};

const thaw = () => {
  if (frozenAt === null) return 0;
  if (plan.thaw) thawByHook();
  else continueProcesses();
  const heldMs = Math.round(performance.now() - frozenAt);
  frozenAt = null;
  return heldMs;
};

const leave = (word) => {
  clearTimeout(limit);
  try {
    const heldMs = thaw();
    say(`${word} ${heldMs}`);
  } catch (error) {
    say(`stuck ${JSON.stringify(error.message)}`);
  }
  process.exitCode = 0;
  process.stdin.destroy();
};

const freeze = () => {
  frozenAt = performance.now();
  limit = setTimeout(() => leave('fired'), plan.limitMs);
  try {
    if (plan.freeze) runHook(plan.freeze, plan.limitMs);
    else stopProcesses();
    say(`frozen ${Math.round(performance.now() - frozenAt)}`);
  } catch (error) {
    leave(`failed ${JSON.stringify(error.message)}`);
  }
};

const obey = (line) => {
  if (plan === null) {
    plan = JSON.parse(line);
    say('ready');
  } else if (line === 'freeze') freeze();
  else if (line === 'thaw') leave('thawed');
};

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => leave('fired'));
process.on('uncaughtException', () => leave('fired'));
createInterface({ input: process.stdin })
  .on('line', obey)
  .on('close', () => {
    if (frozenAt !== null) leave('fired');
  });

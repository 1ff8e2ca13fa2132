import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  lockHolderIn,
  makesStores,
  readTerraformPlan,
  requireNothingLost,
  requireRest,
  requireStores,
  type ShownTerraformPlan,
  shownAddress,
  terraformLines,
} from '../../domain/terraform.ts';

const change = (address: string, actions: readonly string[], over: object = {}) => ({
  ...{ address, type: address.split('.').at(-2) ?? '', change: { actions, after: { size: 1 }, after_unknown: {} } },
  ...over,
});
const shown = (...changes: ReturnType<typeof change>[]): ShownTerraformPlan => ({
  format_version: '1.2',
  resource_changes: changes,
});
const code = (name: string) => expect.objectContaining({ code: name });
const judged = (plan: ShownTerraformPlan, stateful: readonly string[] = []) =>
  requireNothingLost(readTerraformPlan(plan, stateful).changes);

describe('a Terraform plan', () => {
  it('lists what is created, updated, deleted, replaced and forgotten, and leaves out what stays', () => {
    const { changes } = readTerraformPlan(
      shown(
        change('vm.a', ['create']),
        change('vm.b', ['update']),
        change('vm.c', ['delete']),
        change('vm.d', ['delete', 'create']),
        change('vm.e', ['create', 'delete']),
        change('vm.f', ['forget']),
        change('vm.g', ['no-op']),
        change('data.vm.h', ['read']),
      ),
      [],
    );
    expect(changes.map(({ address, action }) => `${address} ${action}`)).toEqual([
      'vm.a create',
      'vm.b update',
      'vm.c delete',
      'vm.d replace',
      'vm.e replace',
      'vm.f forget',
    ]);
  });

  it.each(['delete', 'delete+create', 'create+delete', 'forget'])(
    'is refused when it would %s what holds data, whoever named it',
    (actions) => {
      const one = (address: string) => shown(change(address, actions.split('+')));
      expect(() => judged(one('aws_db_instance.orders'))).toThrow(code('TERRAFORM_REFUSED'));
      expect(() => judged(one('vm.a["x"]'), ['vm'])).toThrow('vm.a["x"] (holds data)');
      expect(() => judged(one('module.s["a]b"].vm.a[0]'), ['module.s.vm.a'])).toThrow(code('TERRAFORM_REFUSED'));
      expect(() => judged(one('vm.a'), ['vm.b', 'v'])).not.toThrow();
      expect(() =>
        judged(shown(change('aws_db_instance.a', ['create']), change('aws_s3_bucket.b', ['update']))),
      ).not.toThrow();
    },
  );

  it('is refused when it cannot be judged: an unknown action, an unknown form, a part of it', () => {
    expect(() => judged(shown(change('vm.a', ['evaporate'])))).toThrow(code('TERRAFORM_REFUSED'));
    for (const part of [{ format_version: '2.0' }, { errored: true }, { complete: false }, { deferred_changes: [1] }])
      expect(() => judged({ ...shown(), ...part })).toThrow(code('TERRAFORM_REFUSED'));
    expect(() => judged({})).toThrow(code('TERRAFORM_REFUSED'));
  });

  it('is known to make stores only when it creates what holds data', () => {
    const plan = (actions: readonly string[]) => ({
      ...{ site: 'east', digest: 'd' },
      ...readTerraformPlan(shown(change('aws_instance.a', actions), change('vm.a', ['create'])), []),
    });
    expect([makesStores(plan(['create'])), makesStores(plan(['update']))]).toEqual([true, false]);
    expect(() => requireStores(plan(['create']))).toThrow(code('SITE_UNPROVISIONED'));
    expect(terraformLines(plan(['create']))).toEqual([
      "Terraform changes 2 resources at 'east'",
      'Terraform creates aws_instance.a (holds data)',
      'Terraform creates vm.a',
    ]);
  });

  it('is shown without anything that a terminal or a page would obey', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (key) => {
        expect(shownAddress(`vm.a["${key}"]`)).toMatch(/^[ !-;=?-_a-{}~]*$/);
      }),
    );
    expect(shownAddress('vm.a["\u001b[31m<b>|`ü"]')).toBe('vm.a["\\u{1b}[31m\\u{3c}b\\u{3e}\\u{7c}\\u{60}\\u{fc}"]');
  });
});

describe('what is left of a plan that stopped on the way', () => {
  const unknown = {
    change: { actions: ['create'], after: { size: 1, ip: null }, after_unknown: { ip: true, id: true } },
  };
  const agreed = shown(change('vm.a', ['create'], unknown), change('vm.b', ['update']), change('vm.c', ['delete']));
  const rest = (one: ReturnType<typeof change>) => () => requireRest(agreed, shown(one));
  const tainted = { action_reason: 'replace_because_tainted' };

  it('may do what was agreed to, and finish what was being made', () => {
    expect(rest(change('vm.a', ['create']))).not.toThrow();
    expect(rest(change('vm.a', ['delete', 'create'], tainted))).not.toThrow();
    expect(rest(change('vm.c', ['delete']))).not.toThrow();
    expect(rest(change('vm.z', ['no-op']))).not.toThrow();
    expect(() => requireRest(agreed, shown())).not.toThrow();
  });

  it('may do nothing besides: no other resource, action or value', () => {
    const refused = code('PLAN_CHANGED');
    expect(rest(change('vm.z', ['create']))).toThrow(refused);
    expect(rest(change('vm.b', ['delete', 'create']))).toThrow(refused);
    expect(rest(change('vm.b', ['delete', 'create'], tainted))).toThrow(refused);
    expect(rest(change('vm.a', ['delete', 'create']))).toThrow(refused);
    const other = { change: { actions: ['create'], after: { size: 2 }, after_unknown: {} } };
    expect(rest(change('vm.a', ['create'], other))).toThrow(refused);
  });
});

describe('a lock', () => {
  const words =
    'Error acquiring the state lock: 412\nLock Info:\n  ID:        9c9c-01\n  Path:      x\n  Operation: OperationTypeApply\n  Who:       anna@witness\n  Created:   2026-11-28 08:56:07 +0000 UTC\n  Info:      \n';

  it('is told with who holds it, what for and since when', () => {
    const who = 'anna@witness, OperationTypeApply, since 2026-11-28 08:56:07 +0000 UTC';
    expect(lockHolderIn(words)).toEqual({ id: '9c9c-01', who });
    expect(lockHolderIn('something else: ID: 3')).toBeNull();
  });
});

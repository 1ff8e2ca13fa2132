// Every kind of object that a database may hold, with odd names and values.
import { quoted } from './cluster.ts';

const NAME = 'é'.repeat(31); // 62 bytes of the 63 that a name may have.
const STRANGE = '$(rm -rf /)\t%d "select" \\';

/** Statements for a database named `odd db`. */
export const ODD_THINGS = `
  create table ${quoted(NAME)} (${quoted('select')} int primary key, ${quoted(STRANGE)} text);
  insert into ${quoted(NAME)} values (1, null), (2, ''), (3, E'\\\\N'), (4, E'\\b\\f\\x01');
  create table numbers (f float8, r float4, n numeric, at timestamp, d date, i interval, m money, b bit varying(9));
  insert into numbers values ('NaN', 'Infinity', 'NaN', 'infinity', '-infinity', '1 mon -2 days 03:04:05.6', '-1234.56', B'101'),
    ('-0', '-Infinity', 'Infinity', '0044-03-15 BC', '5874897-12-31', '-178000000 years', 0, B''), ('1e-308', 1e-40, 1e-1000, null, null, null, null, null);
  create table nothing (); insert into nothing default values; insert into nothing default values;
  create table twice (a int, b text); insert into twice select 1, 'same' from generate_series(1, 9); insert into twice values (null, null), (null, null);
  create domain positive as int check (value > 0); create type pair as (a positive, b text[]);
  create table composed (p pair, j jsonb, x xml, r int4range, v tsvector, c cidr, ar int[][], ms int4multirange, u uuid, pt point);
  insert into composed values (row(1, '{"a,b",null,"\\"q\\""}'), '{"a":[1,{}]}', '<a b="c"/>', '[1,)', 'fat cat', '10.0.0.0/8', '{{1,2},{3,4}}', '{[1,2),[5,9)}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '(1,2)');
  create table made (a int, b int generated always as (a * 2) stored, id bigint generated always as identity (increment by -3 minvalue -9000 start with -1));
  insert into made (a) select g from generate_series(1, 20) g;
  create sequence cycled minvalue 1 maxvalue 3 cycle; select nextval('cycled') from generate_series(1, 5);
  create sequence fresh start with 70;
  create table parts (k int, t text) partition by list (k); create table parts_1 partition of parts for values in (1) partition by hash (t);
  create table parts_1_0 partition of parts_1 for values with (modulus 2, remainder 0);
  create table parts_1_1 partition of parts_1 for values with (modulus 2, remainder 1);
  create table parts_rest partition of parts default; insert into parts select g % 3, 'v' || g from generate_series(1, 99) g;
  create table parent (id int primary key); create table child (extra text) inherits (parent);
  insert into parent values (1); insert into child values (2, 'x');
  create table tree (id int primary key, up int references tree deferrable initially deferred);
  insert into tree values (1, 3), (2, 1), (3, 2);
  create role owner_of_rows login password 'p' valid until '2040-01-02'; create role ${quoted('r "1"')} in role owner_of_rows;
  alter role ${quoted('r "1"')} set search_path to 'a b', "$user";
  create table guarded (id int, who text); insert into guarded values (1, 'a'), (2, 'b');
  alter table guarded owner to owner_of_rows; alter table guarded enable row level security; alter table guarded force row level security;
  create policy mine on guarded using (who = current_user);
  alter default privileges for role owner_of_rows grant select on tables to ${quoted('r "1"')};
  create publication everything for all tables; comment on table guarded is 'it''s "guarded"';
  create materialized view summed as select count(*) as n from parts; create materialized view empty as select 1 as a with no data;
  create table kept_rows (id int); create rule quiet as on insert to kept_rows do instead nothing;
  create table audited (id int); create table audit (what text);
  create function note() returns trigger language plpgsql as 'begin insert into public.audit values (tg_op); return new; end';
  create trigger noting after insert on audited for each row execute function note(); insert into audited values (1), (2);
  alter table audited enable always trigger noting;
  create table ddl_log (what text);
  create function log_ddl() returns event_trigger language plpgsql as 'begin insert into public.ddl_log values (tg_tag); end';
  create event trigger ${quoted('log every ddl')} on ddl_command_end execute function log_ddl();
  create extension pg_trgm; create extension hstore schema public; create table maps (h hstore); insert into maps values ('a=>1, b=>NULL');
  select lo_from_bytea(0, decode(repeat('ab', 5000), 'hex')), lo_create(4242), lo_from_bytea(4243, ''), lo_put(lo_create(4244), 300000, 'behind a hole');
  comment on large object 4242 is 'empty one'; grant select on large object 4242 to owner_of_rows;
  alter database ${quoted('odd db')} set statement_timeout = '9s'; alter database ${quoted('odd db')} set default_transaction_read_only = on;
  comment on database ${quoted('odd db')} is 'of the shop'`;

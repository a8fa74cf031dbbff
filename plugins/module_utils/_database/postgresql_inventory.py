# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - every name and text in a statement has been through identifier() or literal(), or is the server's own
"""What a PostgreSQL database holds: its tables' rows and checksums, and the definitions of everything in it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t

from .model import Inventory, Table, TableFacts
from .postgresql_client import Session

LARGE_OBJECTS = "large objects"

# Casts between text types and parentheses are written differently once a definition was restored
# (``status IN ('a', 'b')`` of a varchar gets other ones), so they are not compared.
_UNSTABLE = re.compile(r"::(?:character varying|character|text|bpchar)(?:\(\d+\))?(?:\[\])?|[()\s]")

# Types whose hash function sees every bit that matters and no object number; all others are hashed as text.
_HASHED = (
    *("bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bpchar", "bytea", "uuid", "date", "time", "timestamp"),
    *("timestamptz", "jsonb", "inet", "cidr", "macaddr"),
)
# Hashing values as they are stored is several times as fast as writing them as text first; since PostgreSQL 14.
_FAST = "hash_record_extended"
_TEXTS = ("text", "varchar", "bpchar")


def _name(schema: str, own: str) -> str:
    """SQL for ``public.orders``; quoted only where a dot or quote in a name would make that ambiguous."""
    return f"CASE WHEN {schema} || {own} ~ '[.\"]' THEN format('%I.%I', {schema}, {own}) ELSE {schema} || '.' || {own} END"


def _grants(column: str, kind: str, owner: str) -> str:
    acl = f"coalesce({column}, acldefault('{kind}', {owner}))"
    return f"""(SELECT array_agg(x::text ORDER BY x::text COLLATE "C") FROM unnest({acl}) x)::text"""


def _own(catalogue: str, oid: str) -> str:
    """SQL for: not an extension's object, which comes and goes with the extension."""
    return f"NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalogue}'::regclass AND e.objid = {oid} AND e.deptype = 'e')"


_USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_RELATION = _name("n.nspname", "c.relname")


def _class(on: str = "") -> str:
    """SQL for the relations of users, joined to what comes before by the condition ``on``."""
    own = f"{_USERS} AND c.relpersistence <> 't' AND {_own('pg_class', 'c.oid')}"
    return f"pg_class c {f'ON {on}' if on else ''} JOIN pg_namespace n ON n.oid = c.relnamespace AND {own}"


# Where a parent got a column later than its child, a restored child has them in another order.
_ORDER = (
    "CASE WHEN NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) THEN 0 ELSE a.attnum END, a.attname"
)
_COLUMNS = f"""(SELECT array_agg(concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
to_jsonb(a)->>'attgenerated', pg_get_expr(f.adbin, f.adrelid), (SELECT collname FROM pg_collation k WHERE k.oid = a.attcollation),
a.attstorage,
to_jsonb(a)->>'attcompression', to_jsonb(a)->>'attstattarget', col_description(c.oid, a.attnum),
(SELECT array_agg(x::text ORDER BY x::text COLLATE "C") FROM unnest(a.attacl) x)) ORDER BY {_ORDER})::text
FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)"""

# kind, name, definition
_OBJECTS = {
    "schema": f"""SELECT n.nspname AS name, concat_ws('|', pg_get_userbyid(n.nspowner), {_grants("n.nspacl", "n", "n.nspowner")},
obj_description(n.oid, 'pg_namespace')) AS def FROM pg_namespace n WHERE {_USERS} AND {_own("pg_namespace", "n.oid")}""",
    "table": f"""SELECT {_RELATION} AS name, concat_ws('|', c.relkind, c.relpersistence, pg_get_userbyid(c.relowner),
{_grants("c.relacl", "r", "c.relowner")}, c.reloptions::text, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
obj_description(c.oid, 'pg_class'), CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, pg_get_expr(c.relpartbound, c.oid),
(SELECT array_agg(inhparent::regclass ORDER BY inhseqno)::text FROM pg_inherits WHERE inhrelid = c.oid), {_COLUMNS}) AS def
FROM {_class()} WHERE c.relkind IN ('r', 'p', 'f')""",
    "view": f"""SELECT {_RELATION} AS name, concat_ws('|', c.relkind, c.relispopulated, pg_get_userbyid(c.relowner),
{_grants("c.relacl", "r", "c.relowner")}, c.reloptions::text, obj_description(c.oid, 'pg_class'), pg_get_viewdef(c.oid), {_COLUMNS}) AS def
FROM {_class()} WHERE c.relkind IN ('v', 'm')""",
    "sequence": f"""SELECT {_RELATION} AS name, format('%I.%I', n.nspname, c.relname) AS sequence, concat_ws('|', format_type(s.seqtypid,
NULL),
s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle, pg_get_userbyid(c.relowner),
{_grants("c.relacl", "s", "c.relowner")},
obj_description(c.oid, 'pg_class'), (SELECT d.deptype::text || d.refobjid::regclass::text || '.' || a.attname FROM pg_depend d
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1)) AS def FROM {_class()} JOIN pg_sequence s ON s.seqrelid =
c.oid""",
    "index": f"""SELECT {_RELATION} AS name, concat_ws('|', pg_get_indexdef(c.oid), i.indisclustered, i.indisreplident, i.indisvalid,
c.reloptions::text, obj_description(c.oid, 'pg_class')) AS def FROM {_class()} JOIN pg_index i ON i.indexrelid = c.oid""",
    "constraint": f"""SELECT {_RELATION} || '.' || k.conname AS name, concat_ws('|', pg_get_constraintdef(k.oid), k.convalidated,
obj_description(k.oid, 'pg_constraint')) AS def FROM pg_constraint k JOIN {_class("c.oid = k.conrelid")}
WHERE k.contype NOT IN ('t', 'n')""",
    "trigger": f"""SELECT {_RELATION} || '.' || g.tgname AS name, concat_ws('|', pg_get_triggerdef(g.oid), g.tgenabled,
obj_description(g.oid, 'pg_trigger')) AS def FROM pg_trigger g JOIN {_class("c.oid = g.tgrelid")}
WHERE NOT g.tgisinternal""",
    "rule": f"""SELECT {_RELATION} || '.' || r.rulename AS name, concat_ws('|', pg_get_ruledef(r.oid), r.ev_enabled) AS def
FROM pg_rewrite r JOIN {_class("c.oid = r.ev_class")} WHERE r.rulename <> '_RETURN'""",
    "policy": f"""SELECT {_RELATION} || '.' || p.polname AS name, concat_ws('|', p.polcmd, p.polpermissive, (SELECT array_agg(CASE WHEN r
= 0
THEN 'public' ELSE pg_get_userbyid(r) END ORDER BY 1)::text FROM unnest(p.polroles) r), pg_get_expr(p.polqual, p.polrelid), '|',
pg_get_expr(p.polwithcheck, p.polrelid)) AS def FROM pg_policy p JOIN {_class("c.oid = p.polrelid")}""",
    "routine": f"""SELECT {_name("n.nspname", "p.proname")} || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name,
concat_ws('|',
pg_get_userbyid(p.proowner), {_grants("p.proacl", "f", "p.proowner")}, obj_description(p.oid, 'pg_proc'), CASE WHEN p.prokind = 'a' THEN
(SELECT concat_ws(' ', g.aggkind, g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggsortop::regoperator, format_type(g.aggtranstype, NULL),
g.agginitval) FROM pg_aggregate g WHERE g.aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END) AS def
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND {_USERS} AND {_own("pg_proc", "p.oid")}
WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'i')""",
    "type": f"""SELECT {_name("n.nspname", "y.typname")} AS name, concat_ws('|', y.typtype, pg_get_userbyid(y.typowner),
{_grants("y.typacl", "T", "y.typowner")}, obj_description(y.oid, 'pg_type'), format_type(y.typbasetype, y.typtypmod), y.typnotnull,
y.typdefault,
(SELECT array_agg(enumlabel ORDER BY enumsortorder)::text FROM pg_enum WHERE enumtypid = y.oid),
(SELECT array_agg(conname || pg_get_constraintdef(k.oid) ORDER BY conname COLLATE "C")::text FROM pg_constraint k WHERE k.contypid = y.oid),
(SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = y.oid), {_COLUMNS}) AS def
FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace AND {_USERS} AND {_own("pg_type", "y.oid")} LEFT JOIN pg_class c ON c.oid =
y.typrelid
WHERE coalesce(c.relkind, 'c') = 'c' AND y.typtype IN ('c', 'd', 'e', 'r', 'b') AND NOT (y.typelem <> 0 AND y.typlen = -1)""",
    # Not the version: a dump asks for the server's default one.
    "extension": """SELECT extname AS name, n.nspname AS def FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace""",
    "event trigger": f"""SELECT v.evtname AS name, concat_ws('|', v.evtevent, v.evtfoid::regprocedure, v.evtenabled, v.evttags::text,
pg_get_userbyid(v.evtowner)) AS def FROM pg_event_trigger v WHERE {_own("pg_event_trigger", "v.oid")}""",
    "publication": """SELECT p.pubname AS name, concat_ws('|', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
pg_get_userbyid(p.pubowner), (SELECT array_agg(schemaname || '.' || tablename ORDER BY 1)::text FROM pg_publication_tables t
WHERE t.pubname = p.pubname)) AS def FROM pg_publication p""",
    "statistics": f"""SELECT {_name("n.nspname", "s.stxname")} AS name, pg_get_statisticsobjdef(s.oid) AS def FROM pg_statistic_ext s
JOIN pg_namespace n ON n.oid = s.stxnamespace AND {_USERS}""",
    "default grant": """SELECT concat_ws(' ', pg_get_userbyid(d.defaclrole), n.nspname, d.defaclobjtype) AS name,
(SELECT array_agg(x::text ORDER BY x::text COLLATE "C") FROM unnest(d.defaclacl) x)::text AS def
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace""",
    "large object": f"""SELECT l.oid AS name, concat_ws('|', pg_get_userbyid(l.lomowner), {_grants("l.lomacl", "L", "l.lomowner")},
obj_description(l.oid, 'pg_largeobject')) AS def FROM pg_largeobject_metadata l""",
    # Whatever else people make, by name.
    "other": "SELECT i.type || ' ' || i.identity AS name, '' AS def FROM ("
    + " UNION ALL ".join(
        f"SELECT '{catalogue}'::regclass AS c, o.oid FROM {catalogue} o WHERE o.oid >= 16384 AND {_own(catalogue, 'o.oid')}"
        for catalogue in (
            *("pg_operator", "pg_opclass", "pg_opfamily", "pg_cast", "pg_collation", "pg_conversion", "pg_ts_config", "pg_ts_dict"),
            *("pg_ts_parser", "pg_ts_template", "pg_foreign_data_wrapper", "pg_foreign_server", "pg_language", "pg_transform"),
        )
    )
    + ") z, LATERAL pg_identify_object(z.c, z.oid, 0) i",
}

_TABLES = f"""SELECT {_RELATION} AS name, format('%I.%I', n.nspname, c.relname) AS quoted, c.relkind AS kind, pg_table_size(c.oid) AS bytes,
(SELECT json_agg(json_build_array(quote_ident(a.attname), CASE WHEN y.typnamespace =
'pg_catalog'::regnamespace
THEN y.typname ELSE '' END) ORDER BY {_ORDER}) FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns FROM {_class()} WHERE c.relkind IN ('r', 'm') ORDER BY 1"""
# In pieces, since a large object may be larger than one value can be.
_BLOBS = """SELECT count(DISTINCT l.oid) AS rows, sum({hash}(ROW(l.oid::int8, g, lo_get(l.oid, g, 1048576)){text}, 0)) AS checksum
FROM pg_largeobject_metadata l, LATERAL (SELECT lo_lseek64(f.fd, 0, 2) AS size, f.fd FROM (SELECT lo_open(l.oid, 262144) AS fd OFFSET 0)
f OFFSET 0) s,
LATERAL (SELECT lo_close(s.fd + (s.size * 0)::int4) OFFSET 0) x, LATERAL generate_series(0::int8, greatest(s.size - 1, 0), 1048576) g"""


@dataclasses.dataclass(frozen=True)
class Relation:
    """A table or materialized view with rows of its own. ``quoted`` is its name in SQL, ``columns`` are (quoted name, type)."""

    name: str
    quoted: str
    kind: str
    bytes: int
    columns: tuple[tuple[str, str], ...]

    @property
    def table(self) -> Table:
        return Table(self.name, self.bytes)


def relations(session: Session) -> list[Relation]:
    """All that has rows; not what belongs to an extension, is temporary, foreign, or only stands for its partitions."""
    return [
        Relation(
            t.cast(str, row["name"]),
            t.cast(str, row["quoted"]),
            t.cast(str, row["kind"]),
            int(row["bytes"] or 0),
            tuple((column, kind) for column, kind in json.loads(row["columns"] or "[]")),
        )
        for row in session.rows(_TABLES)
    ]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def definitions(session: Session, database: t.Mapping[str, t.Any], values: t.Mapping[str, t.Sequence[t.Any]]) -> dict[str, dict[str, str]]:
    """Hashes of everything's definition. ``database`` are its own properties, ``values`` the sequences' as ``sequences`` tells them."""
    found: dict[str, dict[str, str]] = {
        "database": {key: digest(json.dumps(value, sort_keys=True)) for key, value in database.items() if key != "tablespace"}
    }
    for kind, query in _OBJECTS.items():
        for row in session.rows(query):
            text = row["def"] or ""
            if kind == "sequence":
                text += json.dumps(values.get(row["sequence"] or ""))
            elif kind != "routine":
                text = _UNSTABLE.sub("", text)
            found.setdefault(kind, {})[row["name"] or ""] = digest(text)
    return found


def contents(
    session: Session, present: t.Iterable[Relation], left_out: t.Container[str], function: str, *, checksums: bool
) -> dict[str, TableFacts]:
    """Rows and checksums of all tables; those ``left_out`` have none in a dump. The server does all the work."""
    text = "" if function == _FAST else "::text"
    facts: dict[str, TableFacts] = {}
    for relation in present:
        if relation.kind != "r":
            continue
        if relation.name in left_out:
            facts[relation.name] = TableFacts(0)
            continue
        row = ", ".join(_hashed(column, kind) for column, kind in relation.columns)
        wanted = f", sum({function}(ROW({row}){text}, 0)) AS checksum" if checksums and row else ""
        answer = session.rows(f"SELECT count(*) AS rows{wanted} FROM ONLY {relation.quoted}")[0]
        facts[relation.name] = TableFacts(int(answer["rows"] or 0), (answer.get("checksum") or "0") if checksums else "")
    if session.value("SELECT 1 FROM pg_largeobject_metadata LIMIT 1"):
        query = _BLOBS.format(hash=function, text=text) if checksums else "SELECT count(*) AS rows FROM pg_largeobject_metadata"
        answer = session.rows(query)[0]
        facts[LARGE_OBJECTS] = TableFacts(int(answer["rows"] or 0), answer.get("checksum") or "")
    return facts


def inventory(
    session: Session,
    database: t.Mapping[str, t.Any],
    values: t.Mapping[str, t.Sequence[t.Any]],
    left_out: t.Container[str],
    *,
    counts: bool,
    checksums: bool,
) -> Inventory:
    """Everything of the session's database, at the moment that the session sees."""
    number = int(session.value("SHOW server_version_num")) // 10000
    function = _FAST if number >= 14 else "hashtextextended"
    facts: dict[str, TableFacts] = {}
    if counts or checksums:
        facts = contents(session, relations(session), left_out, function, checksums=checksums)
    # Definitions, too, are written otherwise by another version.
    return Inventory(f"postgresql-{number}-{function}", facts, definitions(session, database, values))


def _hashed(column: str, kind: str) -> str:
    if kind not in _HASHED:
        return f"{column}::text"
    # Some collations hold different texts for equal.
    return f'{column} COLLATE "C"' if kind in _TEXTS else column

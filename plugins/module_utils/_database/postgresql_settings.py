# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - every name and text in a statement has been through identifier() or literal(), or is the server's own
"""What a PostgreSQL database is besides its contents: encoding, locale, owner, grants, settings, comment; and giving it to another."""

from __future__ import annotations

import json
import re
import typing as t

from .._common.errors import RunbookError
from .postgresql_client import Session, identifier, literal

# Lists whose members are quoted by the server, so that one text would become one odd member.
_LISTS = frozenset(["local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces"])

# The keys of a row that not every version has are asked for by way of JSON.
_SETTINGS = """SELECT json_build_object(
'encoding', pg_encoding_to_char(d.encoding), 'collate', to_jsonb(d)->>'datcollate', 'ctype', to_jsonb(d)->>'datctype',
'provider', coalesce(to_jsonb(d)->>'datlocprovider', 'c'), 'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', ''),
'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = d.dattablespace),
'owner', pg_get_userbyid(d.datdba), 'connection_limit', d.datconnlimit, 'comment', coalesce(shobj_description(d.oid, 'pg_database'), ''),
'grants', (SELECT json_agg(g) FROM (SELECT json_build_array(CASE WHEN x.grantee <> 0 THEN pg_get_userbyid(x.grantee) END,
  x.privilege_type, x.is_grantable) g FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
  ORDER BY x.grantee = 0, pg_get_userbyid(x.grantee) COLLATE "C", x.privilege_type COLLATE "C") y),
'config', (SELECT coalesce(json_agg(g), '[]') FROM (SELECT json_build_array(coalesce(r.rolname, ''), s.setconfig) g
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid
  ORDER BY coalesce(r.rolname, '') COLLATE "C") y))::text
FROM pg_database d WHERE d.datname = """
# Roles that own or were granted something here; what the first superuser owns is not written down anywhere.
_ROLES = """SELECT DISTINCT pg_get_userbyid(refobjid) COLLATE "C" AS name FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
AND (dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) OR dbid = 0 AND classid = 'pg_database'::regclass
AND objid = (SELECT oid FROM pg_database WHERE datname = current_database())) UNION SELECT pg_get_userbyid(10) ORDER BY 1"""
_SEQUENCES = """SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM pg_depend d
WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1"""


def describe(session: Session, name: str) -> dict[str, t.Any]:
    """A database's own properties, as JSON: ``encoding``, ``owner``, ``grants`` [[role or None, privilege, grantable]] …"""
    found = session.value(_SETTINGS + literal(name))
    if not found:
        raise RunbookError(f"there is no database {name!r}")
    return t.cast("dict[str, t.Any]", json.loads(found))


def needs(session: Session) -> dict[str, t.Any]:
    """What the session's database can't be restored without: ``roles`` and ``extensions`` {name: version}."""
    extensions = session.rows("SELECT extname, extversion FROM pg_extension ORDER BY 1")
    return {
        "roles": [row["name"] for row in session.rows(_ROLES)],
        "extensions": {row["extname"]: row["extversion"] for row in extensions},
    }


def sequences(session: Session) -> dict[str, list[t.Any]]:
    """Where the sequences stand: {quoted name: [value, whether it was given out]}.

    Sequences are outside of transactions. Their values are taken once, right after the snapshot, so that no row of it has a later
    number, and it is these that are restored and compared, not what a sequence had run on to when its turn came.
    """
    names = [t.cast(str, row["name"]) for row in session.rows(_SEQUENCES)]
    found: dict[str, list[t.Any]] = {}
    for start in range(0, len(names), 200):
        one = [f"SELECT {literal(name)} AS name, last_value, is_called FROM {name}" for name in names[start : start + 200]]
        for row in session.rows(" UNION ALL ".join(one)):
            found[t.cast(str, row["name"])] = [int(row["last_value"] or 0), row["is_called"] == "t"]
    return found


def check_needs(session: Session, where: str, settings: t.Mapping[str, t.Any]) -> None:
    """``RunbookError`` naming the roles and extensions that a dump wants and this server lacks."""
    roles = {row["rolname"] for row in session.rows("SELECT rolname FROM pg_roles")}
    extensions = {row["name"] for row in session.rows("SELECT name FROM pg_available_extensions")}
    lacking = [f"role {name}" for name in settings.get("roles", []) if name not in roles]
    lacking += [f"extension {name}" for name in settings.get("extensions", {}) if name not in extensions]
    if lacking:
        raise RunbookError(f"PostgreSQL on {where} lacks what the backup needs: {', '.join(lacking)}; add them first")


def creation(session: Session, name: str, settings: t.Mapping[str, t.Any]) -> str:
    """The statement that creates a database nobody can connect to, with what can't be changed later."""
    words = [f"CREATE DATABASE {identifier(name)} TEMPLATE template0 ALLOW_CONNECTIONS false"]
    for key, word in (("encoding", "ENCODING"), ("collate", "LC_COLLATE"), ("ctype", "LC_CTYPE")):
        if settings.get(key):
            words.append(f"{word} {literal(settings[key])}")
    if settings.get("provider") == "i":
        words.append(f"LOCALE_PROVIDER icu ICU_LOCALE {literal(settings['locale'])}")
    elif settings.get("provider") == "b":
        words.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(settings['locale'])}")
    space = settings.get("tablespace") or "pg_default"
    # Where the bytes lie is the server's matter: another server need not have the same disks.
    if space != "pg_default" and session.value(f"SELECT 1 FROM pg_tablespace WHERE spcname = {literal(space)}"):
        words.append(f"TABLESPACE {identifier(space)}")
    return " ".join(words)


def adoption(name: str, settings: t.Mapping[str, t.Any]) -> list[str]:
    """The statements that give a database its owner, grants, settings, comment and limit; all can be in one transaction."""
    database, statements = identifier(name), []
    if settings.get("owner"):
        owner = identifier(settings["owner"])
        statements += [f"ALTER DATABASE {database} OWNER TO {owner}", f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {owner}"]
    for role, privilege, grantable in settings.get("grants") or []:
        if not re.fullmatch("[A-Z]+", privilege):
            raise RunbookError(f"the backup's settings name a privilege {privilege!r} that does not exist")
        whom = "PUBLIC" if role is None else identifier(role)
        statements.append(f"GRANT {privilege} ON DATABASE {database} TO {whom}{' WITH GRANT OPTION' if grantable else ''}")
    for role, assignments in settings.get("config") or []:
        subject = f"ROLE {identifier(role)} IN DATABASE {database}" if role else f"DATABASE {database}"
        for assignment in assignments:
            key, _equals, value = assignment.partition("=")
            parameter = ".".join(identifier(word) for word in key.split("."))
            statements.append(f"ALTER {subject} SET {parameter} TO {_value(key, value)}")
    if "comment" in settings:
        statements.append(f"COMMENT ON DATABASE {database} IS {literal(settings['comment']) if settings['comment'] else 'NULL'}")
    if "connection_limit" in settings:
        statements.append(f"ALTER DATABASE {database} CONNECTION LIMIT {int(settings['connection_limit'])}")
    return statements


def forgetting(name: str, settings: t.Mapping[str, t.Any]) -> list[str]:
    """The statements that take a database's settings away, before it gets those of another."""
    database = identifier(name)
    roles = [role for role, _assignments in settings["config"] if role]
    return [f"ALTER DATABASE {database} RESET ALL", *(f"ALTER ROLE {identifier(role)} IN DATABASE {database} RESET ALL" for role in roles)]


def _value(key: str, value: str) -> str:
    if key.lower() not in _LISTS:
        return literal(value)
    members = re.findall(r'"((?:[^"]|"")*)"|([^,\s]+)', value)
    return ", ".join(literal(quoted.replace('""', '"') or plain) for quoted, plain in members) or "''"

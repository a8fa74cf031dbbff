#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_export
short_description: Write many rows of a database into a CSV file
version_added: 0.1.0
description:
  - Writes rows of a table, a collection or a query, as they are at one moment, into a CSV file on the host. They are streamed, so memory
    stays the same however many there are.
  - The file is written under another name, and gets its own when it is complete, on disk, and has as many rows as the server counted at
    that same moment. What was there before stays until then.
  - When the file that is there has these very bytes it is left alone, and nothing is changed.
  - Names and values are never taken for SQL.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_database
  - runbook.ops._database
attributes:
  check_mode:
    support: partial
    details:
      - Counts the rows and writes nothing. That the file would be the same as the one that is there can't be known then, so a change is
        predicted.
  idempotent:
    support: partial
    details:
      - A second export of the same rows changes nothing. Without O(order_by) the server may give them in another order.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - The engine's command line client on the host (C(mariadb) or C(mysql), C(psql)); for MongoDB the Python library pymongo. SQLite needs
    nothing. C(gzip) or C(zstd) for compressed files.
notes:
  - Redis has no rows and can't be exported.
  - Times are written as the server writes them, in UTC; MongoDB's as ISO 8601. Bytes are written as hexadecimal digits. A column of a JSON
    type, and documents and lists of MongoDB, are written as compact JSON.
  - MariaDB's and MySQL's tables of engines without transactions are not held at one moment, nor is a MongoDB server that is no member of a
    replica set. When rows change meanwhile, the number of rows says so, and the export fails.
  - PostgreSQL's row security is not applied silently; a log-in that it would hide rows from gets an error.
options:
  database:
    description:
      - The database. For SQLite the path of its file.
    type: str
    required: true
  dest:
    description:
      - The file on the host. Its folder must exist. With the suffix C(.gz) or C(.zst) it is compressed.
    type: path
    required: true
  columns:
    description:
      - The file's columns in their order. Each is a column's name (for MongoDB a field's dotted path), or a mapping of V(name),
        V(header) (what the first line calls it, the name unless given) and V(json) (V(true) for texts that hold JSON documents, which are
        then written without white space; columns of a JSON type need no such hint).
    type: list
    elements: raw
    required: true
  table:
    description:
      - The table or collection. For PostgreSQL in the schema V(public), or C(schema.table). A view is exported by O(query).
    type: str
    aliases: [collection]
  where:
    description:
      - Which rows. All conditions must be met. Names and values are never taken for SQL.
    type: list
    elements: dict
    default: []
    suboptions:
      column:
        description: The column or field.
        type: str
        required: true
        aliases: [field]
      operator:
        description: How it is compared with the value. NULL is found by V(null) only.
        type: str
        choices: [eq, ne, lt, le, gt, ge, in, not_in, 'null', not_null]
        default: eq
      value:
        description: The value, a list for V(in) and V(not_in), none for V(null) and V(not_null).
        type: raw
  query:
    description:
      - Instead of O(table), one SQL statement whose answer has O(columns), each with a name of its own. It is run in a read-only
        transaction, as a table of another statement, so it can neither write nor be two. Its own C(ORDER BY) may be lost; use O(order_by).
      - For MongoDB a mapping of C(find) or C(aggregate) to a collection, with that command's own fields such as C(filter) and C(pipeline).
        A date is written as in its extended JSON, a mapping of C($date) to the ISO 8601 text.
      - Never put texts of others into it; that is what O(where) is for, which goes with SQL queries, too.
    type: raw
  order_by:
    description:
      - Columns that the rows are sorted by. Sorting many rows takes the server time and disk, unless an index has them in that order.
    type: list
    elements: str
    default: []
  bom:
    description:
      - Begin the file with UTF-8's byte order mark, by which spreadsheets know the encoding.
    type: bool
    default: true
  header:
    description:
      - Begin with a line of the columns' names.
    type: bool
    default: true
  delimiter:
    description:
      - What stands between cells.
    type: str
    choices: [comma, semicolon, tab, pipe]
    default: comma
  line_end:
    description:
      - How lines end.
    type: str
    choices: [lf, crlf]
    default: lf
  'null':
    description:
      - What stands for NULL. The default can't be told from an empty text; give for example V(\\N) where that matters.
    type: str
    default: ''
  formulas:
    description:
      - A spreadsheet calculates cells that begin with C(=), C(+), C(-), C(@), a tab or a line break, which whoever filled in a form may
        use to run something. With V(escape) such cells begin with an apostrophe, unless they are a number. V(keep) leaves them as they
        are, for programs.
    type: str
    choices: [escape, keep]
    default: escape
  max_rows:
    description:
      - Refuse to export more rows than this.
    type: int
  check_count:
    description:
      - Let the server count the rows first and compare. Only an expensive query is a reason not to.
    type: bool
    default: true
  timeout:
    description:
      - How many seconds the export may take.
    type: float
    default: 3600
  mode:
    description:
      - The file's mode, as text of octal digits.
      - The default is V('0600').
    type: raw
seealso:
  - module: runbook.ops.db_query
  - module: runbook.ops.db_backup
"""

EXAMPLES = r"""
- name: Export a batch of places
  runbook.ops.db_export:
    engine: mariadb
    login_unix_socket: /run/mysqld/mysqld.sock
    database: shop
    table: places
    where:
      - {column: batch_id, value: "{{ batch_id }}"}
    order_by: [place_id]
    columns:
      - place_id
      - name
      - phone
      - {name: types_json, json: true}
      - collected_at
      - batch_id
    dest: /srv/www.example.com/shared/exports/places_{{ batch_id }}.csv
  register: export

- name: Bring it to the controller
  ansible.builtin.fetch:
    src: "{{ export.dest }}"
    dest: exports/
    flat: true

- name: Orders by day for a partner's program, compressed
  runbook.ops.db_export:
    engine: postgresql
    login_host: db.example.com
    login_user: reporter
    login_password: "{{ vault_reporter_password }}"
    database: shop
    query: SELECT created_at::date AS day, count(*) AS orders, sum(total) AS total FROM orders GROUP BY 1
    order_by: [day]
    columns: [{name: day, header: date}, orders, total]
    dest: /var/exports/orders.csv.gz
    bom: false
    formulas: keep

- name: Customers from MongoDB
  runbook.ops.db_export:
    engine: mongodb
    database: shop
    collection: customers
    where:
      - {field: state, value: active}
    columns: [_id, name, {name: address.city, header: city}, tags, created_at]
    dest: /var/exports/customers.csv
"""

RETURN = r"""
msg:
  description: One line that says what was done.
  returned: always
  type: str
dest:
  description: The file.
  returned: when the options are valid
  type: str
rows:
  description: How many rows it has, without the line of names; in check mode how many it would have.
  returned: success
  type: int
count:
  description: How many rows the server counted at the same moment, V(null) when it was not asked.
  returned: when the options are valid
  type: int
consistent:
  description: Whether counting and reading saw the same moment, as far as the server can hold one.
  returned: when the options are valid
  type: bool
columns:
  description: What the first line calls the columns.
  returned: when the options are valid
  type: list
  elements: str
bytes:
  description: The file's size in bytes.
  returned: when it was written
  type: int
sha256:
  description: Its sha256.
  returned: when it was written
  type: str
plain_bytes:
  description: The size without compression, in bytes.
  returned: when it was written
  type: int
plain_sha256:
  description: The sha256 without compression.
  returned: when it was written
  type: str
escaped:
  description: How many cells begin with an apostrophe because a spreadsheet would have calculated them.
  returned: when it was written
  type: int
seconds:
  description: How long it took.
  returned: when it was written
  type: float
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._database.export import db_export
from ansible_collections.runbook.ops.plugins.module_utils._database.export_request import EXPORT


def main() -> None:
    run_module(EXPORT, db_export)


if __name__ == "__main__":
    main()

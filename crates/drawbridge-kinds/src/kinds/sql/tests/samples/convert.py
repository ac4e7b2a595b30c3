"""Writes build/NAME.mariadb.sql, build/NAME.sqlite.sql and scopes.json from the PostgreSQL
databases parity_NAME; `load` calls it."""
import csv, io, json, os, subprocess, sys

BASE = os.environ["BASE"]
NAMES = ["chinook", "northwind", "pagila"]
# Types that no other engine has: their columns are left out of scopes and of converted tables.
ODD = ("bytea", "tsvector", "ARRAY")


def psql(name, sql):
    args = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", f"{BASE}/parity_{name}", "-c",
            f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, NULL '\\N', FORCE_QUOTE *)"]
    out = subprocess.run(args, check=True, capture_output=True).stdout.decode()
    return out


def rows(text):
    """CSV of psql: \\N without quotes is null, with quotes a text."""
    row, field, quoted, was, i, n = [], [], False, False, 0, len(text)
    while i < n:
        c = text[i]
        if quoted:
            if c == '"':
                if i + 1 < n and text[i + 1] == '"':
                    field.append('"'); i += 1
                else:
                    quoted = False
            else:
                field.append(c)
        elif c == '"':
            quoted = was = True
        elif c in ",\n":
            value = "".join(field)
            row.append(None if value == "\\N" and not was else value)
            field, was = [], False
            if c == "\n":
                yield row
                row = []
        else:
            field.append(c)
        i += 1


def table(name, sql):
    return list(rows(psql(name, sql)))


def schema(name):
    columns = table(name, "SELECT c.table_name, c.column_name, c.data_type, c.udt_name, c.character_maximum_length, "
        "c.numeric_precision, c.numeric_scale, c.is_nullable FROM information_schema.columns c "
        "JOIN pg_class k ON k.relname = c.table_name AND k.relnamespace = 'public'::regnamespace "
        "WHERE c.table_schema = 'public' AND k.relkind IN ('r','p') AND NOT k.relispartition ORDER BY 1, c.ordinal_position")
    keys = table(name, "SELECT k.relname, a.attname FROM pg_index i JOIN pg_class k ON k.oid = i.indrelid "
        "CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY u(num, ord) JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum = u.num "
        "WHERE i.indisprimary AND k.relnamespace = 'public'::regnamespace ORDER BY 1, u.ord")
    indexes = table(name, "SELECT i.indexrelid::regclass::text, k.relname, a.attname FROM pg_index i JOIN pg_class k ON k.oid = i.indrelid "
        "CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY u(num, ord) JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum = u.num "
        "WHERE NOT i.indisprimary AND k.relnamespace = 'public'::regnamespace ORDER BY 1, u.ord")
    # Foreign keys without an index get one, that joins are quick everywhere.
    foreign = table(name, "SELECT DISTINCT k.relname, a.attname FROM pg_constraint f JOIN pg_class k ON k.oid = f.conrelid "
        "JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum = f.conkey[1] WHERE f.contype = 'f' AND NOT k.relispartition ORDER BY 1, 2")
    labels = table(name, "SELECT t.typname, e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid ORDER BY 1, e.enumsortorder")
    tables = {}
    for t, column, *rest in columns:
        if rest[0] in ODD:
            continue
        tables.setdefault(t, {"columns": [], "key": [], "index": set()})["columns"].append((column, *rest))
    for t, column in keys:
        if t in tables:
            tables[t]["key"].append(column)
    by = {}
    for index, t, column in indexes:
        by.setdefault((index, t), []).append(column)
    for (_, t), some in by.items():
        if t in tables and all(any(c[0] == one for c in tables[t]["columns"]) for one in some):
            tables[t]["index"].add(tuple(some))
    for t, column in foreign:
        if t in tables and not any(some[0] == column for some in tables[t]["index"] | {tuple(tables[t]["key"])}):
            tables[t]["index"].add((column,))
    enums = {}
    for kind, label in labels:
        enums.setdefault(kind, []).append(label)
    return {t: one for t, one in tables.items() if one["key"]}, enums


def kind(engine, column, enums, longest, indexed):
    _, data, udt, length, precision, scale, _ = column
    lite = engine == "sqlite"
    if data == "USER-DEFINED":
        return "TEXT" if lite else "ENUM(" + ", ".join(f"'{label}'" for label in enums[udt]) + ")"
    if data in ("integer", "bigint", "smallint"):
        return "INTEGER" if lite else {"integer": "INT", "bigint": "BIGINT", "smallint": "SMALLINT"}[data]
    if data == "numeric":
        return f"NUMERIC({precision},{scale})" if lite else f"DECIMAL({precision},{scale})"
    if data == "real":
        return "REAL" if lite else "FLOAT"
    if data == "boolean":
        return "BOOLEAN"
    if data == "date":
        return "DATE"
    if data.startswith("timestamp"):
        return "DATETIME" if lite else "DATETIME(6)" if longest > 19 else "DATETIME"
    if data == "character":
        return f"CHAR({length})"
    if data == "character varying":
        return f"VARCHAR({length})"
    if data == "text":
        return "TEXT" if lite else "VARCHAR(255)" if longest <= 255 or indexed else "TEXT"
    sys.exit(f"{data} of {column[0]}?")


def main():
    scopes = {}
    for name in NAMES:
        tables, enums = schema(name)
        scopes[name] = {"tables": {t: {"key": one["key"][0] if len(one["key"]) == 1 else one["key"],
                                       "fields": [c[0] for c in one["columns"]]} for t, one in tables.items()}}
        files = {engine: open(f"build/{name}.{engine}.sql", "w") for engine in ("mariadb", "sqlite")}
        files["mariadb"].write(f"DROP DATABASE IF EXISTS parity_{name};\nCREATE DATABASE parity_{name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
                               f"USE parity_{name};\nSET NAMES utf8mb4, autocommit = 0;\n")
        files["sqlite"].write("BEGIN;\n")
        for t, one in tables.items():
            picked = []
            for column, data, *_ in one["columns"]:
                if data.startswith("timestamp"):
                    # UTC, and no fraction where there is none.
                    picked.append(f"regexp_replace(\"{column}\"::timestamp::text, 'T', ' ')")
                elif data == "boolean":
                    picked.append(f'"{column}"::int')
                elif data == "character":
                    picked.append(f'rtrim("{column}")')
                else:
                    picked.append(f'"{column}"')
            data = table(name, f"SELECT {', '.join(picked)} FROM \"{t}\" ORDER BY {', '.join(one['key'])}")
            number = [c[1] in ("integer", "bigint", "smallint", "numeric", "real", "boolean") for c in one["columns"]]
            for engine, out in files.items():
                lines = []
                for at, column in enumerate(one["columns"]):
                    longest = max((len(row[at] or "") for row in data), default=0)
                    indexed = any(column[0] in some for some in one["index"] | {tuple(one["key"])})
                    null = "" if column[-1] == "YES" else " NOT NULL"
                    lines.append(f"  {column[0]} {kind(engine, column, enums, longest, indexed)}{null}")
                lines.append(f"  PRIMARY KEY ({', '.join(one['key'])})")
                out.write(f"CREATE TABLE {t} (\n" + ",\n".join(lines) + "\n);\n")

                def value(text, plain):
                    if text is None:
                        return "NULL"
                    if plain:
                        return text
                    text = text.replace("'", "''")
                    return "'" + (text.replace("\\", "\\\\") if engine == "mariadb" else text) + "'"
                for start in range(0, len(data), 500):
                    some = data[start:start + 500]
                    out.write(f"INSERT INTO {t} VALUES\n" + ",\n".join(
                        "(" + ", ".join(value(*pair) for pair in zip(row, number)) + ")" for row in some) + ";\n")
                for number_of, some in enumerate(sorted(one["index"])):
                    out.write(f"CREATE INDEX {t}_{number_of} ON {t} ({', '.join(some)});\n")
            print(name, t, len(data), file=sys.stderr)
        for out in files.values():
            out.write("COMMIT;\n")
            out.close()
    with open("build/scopes.json", "w") as out:
        json.dump(scopes, out, indent=1)


main()

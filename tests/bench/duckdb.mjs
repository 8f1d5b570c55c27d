// duckdb.mjs - DuckDB over logs of usage events, as a peer and as an oracle.
//
//     node duckdb.mjs parquet THREADS LOG OUT.parquet    NDJSON to zstd Parquet
//     node duckdb.mjs sums THREADS LOG|FILE.parquet      distinct on (id), then sums by customer, op
//                                                        and hour; prints how many groups, events
//     node duckdb.mjs oracle PERIOD LOG OUT.csv          the same by the rule of which copy is billed
//
// LOG may be a glob.
// SPDX-License-Identifier: Apache-2.0
import { DuckDBInstance } from '@duckdb/node-api';

const data = `STRUCT(request VARCHAR, op VARCHAR, format VARCHAR, status VARCHAR, bytes_in BIGINT,
    bytes_out BIGINT, pixels_in BIGINT, pixels_out BIGINT, cpu_us BIGINT, wall_us BIGINT,
    node VARCHAR)`;
const quote = (text) => `'${text.replaceAll("'", "''")}'`;
const events = (log) => `select id, source, type, subject, time, writer,
        sequence::UBIGINT as sequence, data.*
    from read_json(${quote(log)}, format = 'newline_delimited', columns = {id: 'VARCHAR',
        source: 'VARCHAR', type: 'VARCHAR', subject: 'VARCHAR', time: 'TIMESTAMP',
        writer: 'VARCHAR', sequence: 'VARCHAR', data: '${data}'})`;
const sums = `count(*) as events, sum(bytes_in) as bytes_in, sum(bytes_out) as bytes_out,
    sum(pixels_in) as pixels_in, sum(pixels_out) as pixels_out, sum(cpu_us) as cpu_us,
    sum(wall_us) as wall_us`;
const table = (path) => path.endsWith('.parquet') ? `select * from ${quote(path)}` : events(path);

// formats/README.md, "Usage event v1, Copies": an ok before any failure, then the lowest of time,
// writer and sequence. Texts are compared as bytes, which is how DuckDB does it.
const oracle = (period, log) => `
    with billed as (
        select distinct on (source, id) * from (${events(log)})
        order by source, id, status <> 'ok', time, coalesce(writer, source), sequence)
    select subject as customer, op, strftime(date_trunc('hour', time), '%Y-%m-%dT%H:%M:%SZ') as hour,
        ${sums}
    from billed where strftime(time, '%Y-%m') = ${quote(period)}
    group by all order by customer, op, hour`;

const commands = {
    async parquet(run, log, out) {
        await run(`copy (${events(log)}) to ${quote(out)} (format parquet, compression zstd)`);
    },
    async sums(run, path) {
        await run(`create temp table sums as
            select subject, op, date_trunc('hour', time) as hour, ${sums}
            from (select distinct on (id) * from (${table(path)})) group by all`);
        const reader = await run('select count(*), sum(events) from sums');
        console.log(reader.getRows()[0].join(' '));
    },
    async oracle(run, log, out, period) {
        await run(`copy (${oracle(period, log)}) to ${quote(out)} (format csv, header)`);
    },
};

const [command, setting, ...paths] = process.argv.slice(2);
const threads = command === 'oracle' ? '2' : setting;
const instance = await DuckDBInstance.create(':memory:', { threads });
const connection = await instance.connect();
await connection.run("set TimeZone = 'UTC'");
await commands[command]((sql) => connection.runAndReadAll(sql), ...paths,
    ...(command === 'oracle' ? [setting] : []));

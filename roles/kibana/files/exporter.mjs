// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Kibana's status page as metrics: asks /api/status for each scrape and writes it in Prometheus' text format.
//
// URL              where Kibana is
// CA               PEM certificates to verify it by
// CERTIFICATE, KEY with which the metrics are served
// PASSWORD         of kibana_system: who is not signed in is told the level only
// PORT, HOST       to listen on; without HOST on all addresses
//
// Kibana counts requests and response times from zero for each of its collections, every five seconds, so those are gauges.

import { readFileSync, watchFile } from 'node:fs';
import https from 'node:https';

const { URL: base, CA, CERTIFICATE, KEY, PASSWORD, PORT = '9684', HOST } = process.env;
const LEVELS = ['available', 'degraded', 'unavailable', 'critical'];
const authorization = `Basic ${Buffer.from(`kibana_system:${PASSWORD}`).toString('base64')}`;

function status() {
  return new Promise((resolve, reject) => {
    const asked = https.request(
      new URL('/api/status', base),
      { ca: readFileSync(CA), headers: { authorization }, timeout: 8000 },
      (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () => {
          try {
            resolve(JSON.parse(Buffer.concat(parts).toString()));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('no answer within 8 s')));
    asked.on('error', reject);
    asked.end();
  });
}

const escaped = (value) => String(value).replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

/** Lines of a metric; a value that Kibana does not tell is left out. */
function metric(name, help, samples) {
  const lines = samples
    .filter(([, value]) => Number.isFinite(value))
    .map(([labels, value]) => {
      const text = Object.entries(labels).map(([key, label]) => `${key}="${escaped(label)}"`);
      return `${name}${text.length ? `{${text.join(',')}}` : ''} ${value}`;
    });
  return lines.length ? [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines] : [];
}

function metrics(answer) {
  const level = answer?.status?.overall?.level;
  const { process: own = {}, requests = {}, response_times: times = {}, elasticsearch_client: client = {} } = answer?.metrics ?? {};
  const seconds = answer?.metrics?.collection_interval_in_millis / 1000;
  const plugins = Object.values(answer?.status?.plugins ?? {});
  const one = (value, factor = 1) => [[{}, value * factor]];
  return [
    metric('kibana_up', 'Whether Kibana told its status.', one(level ? 1 : 0)),
    metric('kibana_status', 'The level that Kibana is at.', level ? LEVELS.map((name) => [{ level: name }, name === level ? 1 : 0]) : []),
    metric(
      'kibana_plugins',
      'Plugins at each level.',
      plugins.length ? LEVELS.map((name) => [{ level: name }, plugins.filter((plugin) => plugin.level === name).length]) : [],
    ),
    metric('kibana_build_info', 'The version that runs.', answer?.version ? [[{ version: answer.version.number }, 1]] : []),
    metric('kibana_uptime_seconds', 'For how long it has run.', one(own.uptime_in_millis, 0.001)),
    metric('kibana_heap_used_bytes', 'Used heap.', one(own.memory?.heap?.used_in_bytes)),
    metric('kibana_heap_total_bytes', 'Heap that V8 has taken.', one(own.memory?.heap?.total_in_bytes)),
    metric('kibana_heap_limit_bytes', 'The most that the heap may become.', one(own.memory?.heap?.size_limit)),
    metric('kibana_resident_memory_bytes', 'Resident memory.', one(own.memory?.resident_set_size_in_bytes)),
    metric('kibana_event_loop_delay_seconds', 'Delay of the event loop.', one(own.event_loop_delay, 0.001)),
    metric('kibana_event_loop_utilization_ratio', 'Share of the time that the event loop was busy.', one(own.event_loop_utilization?.utilization)),
    metric('kibana_requests_per_second', 'Requests in the last five seconds.', one(requests.total / seconds)),
    metric('kibana_disconnects_per_second', 'Requests that clients gave up, in the last five seconds.', one(requests.disconnects / seconds)),
    metric(
      'kibana_responses_per_second',
      'Responses by status in the last five seconds.',
      Object.entries(requests.status_codes ?? {}).map(([code, count]) => [{ code }, count / seconds]),
    ),
    metric('kibana_response_time_average_seconds', 'In the last five seconds.', one(times.avg_in_millis, 0.001)),
    metric('kibana_response_time_maximum_seconds', 'In the last five seconds.', one(times.max_in_millis, 0.001)),
    metric('kibana_concurrent_connections', 'Open connections.', one(answer?.metrics?.concurrent_connections)),
    metric('kibana_elasticsearch_sockets', 'Connections to Elasticsearch.', [
      [{ state: 'active' }, client.totalActiveSockets],
      [{ state: 'idle' }, client.totalIdleSockets],
    ]),
    metric('kibana_elasticsearch_queued_requests', 'Requests to Elasticsearch that wait for a connection.', one(client.totalQueuedRequests)),
  ].flat();
}

async function handle(request, response) {
  if (request.url === '/healthz') {
    response.end('ok\n');
    return;
  }
  if (request.url !== '/metrics') {
    response.writeHead(404).end();
    return;
  }
  const answer = await status().catch((error) => {
    console.error(JSON.stringify({ level: 'warn', message: `Kibana's status: ${error.message}` }));
  });
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(`${metrics(answer).join('\n')}\n`);
}

const certificate = () => ({ cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) });
const server = https.createServer({ ...certificate(), minVersion: 'TLSv1.2' }, handle);
// A certificate that is renewed is used without a restart.
watchFile(CERTIFICATE, { interval: 30_000 }, () => server.setSecureContext(certificate()));
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));

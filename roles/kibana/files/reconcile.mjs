// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Brings Kibana's data views and saved objects to what is declared.
//
//   node reconcile.mjs [--plan]     --plan prints what differs and changes nothing
//
// URL        where Kibana is
// CA         PEM certificates to verify it by
// DECLARED   the file with what shall be
// PASSWORD   a file with the password of kibana_reconciler
// WAIT       seconds to wait for Kibana
//
// Of a data view all that is declared counts. Kibana rewrites saved objects when it is upgraded, so of those count the
// title, the description, the columns, the order, the query and what they refer to. What people made stays. An object
// whose id begins with platform- and is no longer declared is removed.
//
// At the end comes one line of JSON: how many objects were not as declared. The exit status is 1 if one still is not.

import { readFileSync } from 'node:fs';
import https from 'node:https';
import { isDeepStrictEqual } from 'node:util';

const { URL: base, CA, DECLARED, PASSWORD, WAIT = '600' } = process.env;
const plan = process.argv.includes('--plan');
const declared = JSON.parse(readFileSync(DECLARED, 'utf8'));
const OURS = 'platform-';

const agent = new https.Agent({ ca: readFileSync(CA), keepAlive: true });
const authorization = `Basic ${Buffer.from(`kibana_reconciler:${readFileSync(PASSWORD, 'utf8').trim()}`).toString('base64')}`;
let drift = 0;
let failures = 0;

/** What Kibana answers: its status and its text. The password is in a header only. */
function request(method, path, body, type = 'application/json') {
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const headers = { authorization, 'kbn-xsrf': 'reconciler', ...(text === undefined ? {} : { 'content-type': type }) };
  return new Promise((resolve, reject) => {
    const asked = https.request(new URL(path, base), { method, headers, agent, timeout: 60_000 }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(parts).toString() }));
      answer.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer within 60 s')));
    asked.on('error', reject);
    asked.end(text);
  });
}

function reason({ status, text }) {
  let message = text;
  try {
    message = JSON.parse(text).message ?? text;
  } catch {
    // Not JSON: the text is what there is.
  }
  return `${status} ${String(message).slice(0, 400)}`;
}

async function call(method, path, body, type) {
  const answer = await request(method, path, body, type);
  if (answer.status >= 300) {
    throw new Error(reason(answer));
  }
  return answer.text;
}

async function find(path) {
  const answer = await request('GET', path);
  if (answer.status === 404) {
    return undefined;
  }
  if (answer.status >= 300) {
    throw new Error(reason(answer));
  }
  return JSON.parse(answer.text);
}

async function attempt(what, step) {
  try {
    return await step();
  } catch (error) {
    failures += 1;
    console.log(`! ${what} failed: ${error.message}`);
    return undefined;
  }
}

/** Says what differs, then changes it, unless only a plan was asked for. */
async function repair(sign, what, differences, step) {
  drift += 1;
  console.log(`${sign} ${what}${differences.length ? `: ${differences.join(', ')}` : ''}`);
  if (!plan) {
    await attempt(what, step);
  }
}

function differences(wanted, live) {
  return Object.keys(wanted)
    .sort()
    .filter((key) => !isDeepStrictEqual(wanted[key], live[key]))
    .map((key) => `${key} ${JSON.stringify(live[key])} -> ${JSON.stringify(wanted[key])}`);
}

// -- data views

async function dataView(id, wanted) {
  const live = (await find(`/api/data_views/data_view/${encodeURIComponent(id)}`))?.data_view;
  const found = live ? differences(wanted, live) : [];
  if (!live || found.length) {
    const body = { data_view: { id, ...wanted }, override: true };
    await repair(live ? '~' : '+', `data view ${id}`, found, () => call('POST', '/api/data_views/data_view', body));
  }
}

async function defaultDataView(id) {
  const live = (await find('/api/data_views/default'))?.data_view_id;
  if (live !== id) {
    const body = { data_view_id: id, force: true };
    await repair('~', 'default data view', differences({ id }, { id: live }), () => call('POST', '/api/data_views/default', body));
  }
}

async function removeDataViews(wanted) {
  for (const { id } of (await find('/api/data_views'))?.data_view ?? []) {
    if (id.startsWith(OURS) && !(id in wanted)) {
      await repair('-', `data view ${id}`, [], () => call('DELETE', `/api/data_views/data_view/${encodeURIComponent(id)}`));
    }
  }
}

// -- saved objects

/** What counts of a saved object. */
function essence({ attributes = {}, references = [] }) {
  const source = JSON.parse(attributes.kibanaSavedObjectMeta?.searchSourceJSON ?? '{}');
  return {
    title: attributes.title,
    description: attributes.description,
    columns: attributes.columns,
    sort: attributes.sort,
    query: source.query?.query,
    references: references.map(({ type, id }) => `${type}:${id}`).sort(),
  };
}

/** All objects of ours that there are, by type and id. */
async function readSavedObjects(types) {
  const text = await call('POST', '/api/saved_objects/_export', { type: types, excludeExportDetails: true });
  const found = text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  return new Map(found.filter(({ id }) => id.startsWith(OURS)).map((object) => [`${object.type} ${object.id}`, object]));
}

/** The API takes a file: one line of JSON for each object. */
function importBody(objects) {
  const boundary = 'platform-saved-objects';
  const lines = objects.map((object) => JSON.stringify(object)).join('\n');
  return [
    `--${boundary}`,
    'Content-Disposition: form-data; name="file"; filename="platform.ndjson"',
    'Content-Type: application/ndjson',
    '',
    lines,
    `--${boundary}--`,
    '',
  ].join('\r\n');
}

async function importObjects(objects) {
  const type = 'multipart/form-data; boundary=platform-saved-objects';
  const answer = JSON.parse(await call('POST', '/api/saved_objects/_import?overwrite=true', importBody(objects), type));
  if (!answer.success) {
    throw new Error((answer.errors ?? []).map(({ type: kind, id, error }) => `${kind} ${id}: ${error.type}`).join(', '));
  }
}

async function savedObjects(wanted) {
  const names = new Map(wanted.map((object) => [`${object.type} ${object.id}`, object]));
  const live = await readSavedObjects([...new Set(['dashboard', 'search', ...wanted.map(({ type }) => type)])]);
  const wrong = [];
  for (const [name, object] of names) {
    const found = live.has(name) ? differences(essence(object), essence(live.get(name))) : [];
    if (!live.has(name) || found.length) {
      wrong.push(object);
      await repair(live.has(name) ? '~' : '+', name, found, async () => {});
    }
  }
  // Together, because an object may refer to another one.
  if (wrong.length && !plan) {
    await attempt('import', () => importObjects(wrong));
  }
  // A dashboard goes before what it shows.
  for (const name of [...live.keys()].sort()) {
    if (!names.has(name)) {
      const { type, id } = live.get(name);
      const path = `/api/saved_objects/${type}/${encodeURIComponent(id)}`;
      await repair('-', name, [], () => call('DELETE', path));
    }
  }
}

async function ready() {
  const deadline = Date.now() + Number(WAIT) * 1000;
  for (;;) {
    let problem;
    try {
      const answer = await request('GET', '/api/data_views');
      if (answer.status === 200) {
        return;
      }
      problem = `it answers ${reason(answer)}`;
    } catch (error) {
      problem = error.message;
    }
    if (Date.now() > deadline) {
      console.log(`! Kibana is not ready at ${base}: ${problem}`);
      process.exit(1);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 2000);
    });
  }
}

await ready();
for (const [id, wanted] of Object.entries(declared.data_views)) {
  await attempt(`data view ${id}`, () => dataView(id, wanted));
}
await attempt('default data view', () => defaultDataView(declared.default_data_view));
await attempt('saved objects', () => savedObjects(declared.saved_objects));
await attempt('data views', () => removeDataViews(declared.data_views));

const time = `${new Date().toISOString().slice(0, 19)}Z`;
console.log(`{"reconciler": "kibana", "drift_objects": ${drift}, "time": "${time}"}`);
agent.destroy();
process.exitCode = failures && !plan ? 1 : 0;

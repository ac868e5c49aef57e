// Validates manifests against the schemas of Kubernetes: the values by the compiled schemas of
// kubernetes-models, unknown fields by its types, through tsc. Prints FILE: Kind/name: sentence for each
// problem and ends with 1 if there is one.
//
//     node validate.mjs FILE ...      in a folder with the modules of package.json
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as yaml from 'js-yaml';

const folder = 'types';
const found = [];
const sources = new Map();  // a file for tsc: { file, starts: [{ line, label }] }

const labelOf = (thing) => `${thing.kind}/${thing.metadata?.name ?? '?'}`;

async function classOf(thing) {
  const path = thing.apiVersion === 'v1' ? 'v1' : thing.apiVersion;
  try {
    return { path, made: (await import(`kubernetes-models/${path}`))[thing.kind] };
  } catch (error) {
    if (error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED' && error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return { path };
  }
}

function check(thing, made) {
  try {
    new made(thing).validate();
    return [];
  } catch (error) {
    return error.errors ? error.errors.map((each) => `${each.instancePath} ${each.message}`) : [error.message];
  }
}

async function read(file, index) {
  const lines = [];
  const starts = [];
  for (const thing of yaml.loadAll(readFileSync(file, 'utf8'))) {
    const label = labelOf(thing);
    if (thing.kind === 'Secret') {  // the API's decoder skips the line ends that kustomize puts in
      for (const key of Object.keys(thing.data ?? {})) thing.data[key] = thing.data[key].replaceAll('\n', '');
    }
    const { path, made } = await classOf(thing);
    if (!made) {
      found.push(`${file}: ${label}: no Kubernetes of today has ${thing.apiVersion} ${thing.kind}`);
      continue;
    }
    found.push(...check(thing, made).map((sentence) => `${file}: ${label}: ${sentence}`));
    starts.push({ line: lines.length + 1, label });
    const text = `import type { I${thing.kind} as T${starts.length} } from 'kubernetes-models/${path}';\n` +
      `export const d${starts.length}: T${starts.length} = ${JSON.stringify(thing, null, 1)};`;
    lines.push(...text.split('\n'));
  }
  const source = `${folder}/m${index}.ts`;
  writeFileSync(source, `${lines.join('\n')}\n`);
  sources.set(source, { file, starts });
}

function checkTypes() {
  const options = '--noEmit --strict --skipLibCheck --pretty false --module nodenext --moduleResolution nodenext ' +
    '--target es2022';
  try {
    execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', ...options.split(' '), ...sources.keys()],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    for (const line of error.stdout.split('\n')) {
      const at = /^(.*)\((\d+),\d+\): error TS\d+: (.*)$/.exec(line);
      if (at) {
        const { file, starts } = sources.get(at[1]);
        found.push(`${file}: ${starts.findLast((each) => each.line <= Number(at[2])).label}: ${at[3]}`);
      } else if (line.trim() !== '') {
        found.push(line.startsWith(' ') ? `${found.pop()} ${line.trim()}` : line);
      }
    }
    if (found.length === 0) throw error;
  }
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const [index, file] of process.argv.slice(2).entries()) {
  await read(file, index);
}
checkTypes();
found.forEach((each) => console.log(each));
process.exitCode = found.length === 0 ? 0 : 1;

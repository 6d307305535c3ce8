// What both judges need: the control API, the browser's options, and a report of one JSON line per step.
export const arg = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};

export const base = arg('base');

export const control = async (method, path, body) => {
  const response = await fetch(`${base}/control${path}`, { method, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.detail}`);
  return answer;
};

export const browserArgs = [
  ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic',
  '--disable-dev-shm-usage',
];
export const launch = {
  executablePath: arg('chromium'),
  headless: arg('chromium').endsWith('headless-shell') ? 'shell' : true,
};

const DEADLINE_MS = 10_000;

export const within = (promise, what, ms = DEADLINE_MS) => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no ${what} in ${ms} ms`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

// A step passes when its function returns; the report goes on after a failure.
export const step = async (name, act) => {
  const row = { name, ok: true };
  const began = Date.now();
  try {
    await within(act(), name);
  } catch (error) {
    Object.assign(row, { ok: false, error: String(error?.message ?? error) });
  }
  row.ms = Date.now() - began;
  console.log(JSON.stringify(row));
};

export const equal = (actual, expected) => {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
};

export const eventually = async (get, what, ms = 5000) => {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 25))) {
    const value = await get();
    if (value) return value;
  }
  throw new Error(`not ${what} in ${ms} ms`);
};

// One pixel; a silent Ogg page would do as well: nobody decodes it here.
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

'use strict'
// Evaluates an ecosystem file and writes what it exports as JSON to a file descriptor of its own, so that what the
// file prints does not matter: node read_ecosystem.cjs FILE DESCRIPTOR
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { isRegExp } = require('node:util/types')
const vm = require('node:vm')

const [file, descriptor] = process.argv.splice(2)

async function evaluate () {
  if (path.extname(file) === '.json') {
    // As PM2 reads JSON: comments, single quotes and trailing commas are welcome.
    return vm.runInNewContext(`(${fs.readFileSync(file, 'utf8')}\n)`, {}, { filename: file })
  }
  const loaded = await import(pathToFileURL(file))
  const exported = loaded.default ?? { ...loaded }
  return exported.__esModule && exported.default ? exported.default : exported
}

// What JSON would drop without a word.
function keep (_, value) {
  if (value === undefined) return null
  if (isRegExp(value)) return { $regexp: value.source }
  if (typeof value === 'function') return { $javascript: 'a function' }
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value)
  return value
}

function finish (answer) {
  fs.writeSync(Number(descriptor), answer)
  process.exit(0)
}

function explain (problem) {
  const text = String(problem?.message ?? problem).split('\n')[0]
  const stack = String(problem?.stack ?? '')
  const after = stack.slice(stack.indexOf(file) + file.length)
  const line = stack.includes(file) ? /^:(\d+)/.exec(after)?.[1] : undefined
  return `${problem?.name ?? 'Error'}: ${text}${line ? ` (line ${line})` : ''}`
}

evaluate()
  .then((exported) => {
    if (typeof exported !== 'object' || exported === null) throw new TypeError(`it exports ${typeof exported}, not apps`)
    finish(JSON.stringify({ exported }, keep))
  })
  .catch((problem) => finish(JSON.stringify({ problem: explain(problem) })))

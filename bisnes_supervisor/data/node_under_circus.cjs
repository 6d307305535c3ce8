'use strict'
// What PM2 gives a node program and Circus does not, so that the program runs unchanged:
//
//     node --require ./node_under_circus.cjs app.js
//
// CIRCUS_LISTEN=3000=5          what the program listens on (port 3000) is the socket that circusd holds as descriptor 5;
//                               empty: no such socket is known, its processes share the port by SO_REUSEPORT
// CIRCUS_READY_LISTENING=PATH   a Unix socket there answers once the program listens (wait_ready = unix:PATH)
// CIRCUS_READY_MESSAGE=PATH     ... or once it calls process.send('ready')
// CIRCUS_SHUTDOWN_MESSAGE=1     SIGINT becomes the message 'shutdown'
// CIRCUS_INSTANCE=NAME=2        sets NAME to 1: Circus counts its processes from 1, PM2 from 0
//
// Children of the program do not see these variables.
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')

const listen = net.Server.prototype.listen
const ANY = ['', '0.0.0.0', '::', '::0']

function take (name) {
  const value = process.env[name]
  delete process.env[name]
  return value
}

function complain (text) {
  process.stderr.write(`node_under_circus: ${text}\n`)
}

// -- the shared socket -----------------------------------------------------------------------------------------------

const shared = take('CIRCUS_LISTEN')
const descriptors = new Map((shared || '').split(',').filter(Boolean).map((pair) => pair.split('=').map(Number)))

// What listen() was asked for: every form of it that names a port; undefined for the others.
function asked (args) {
  const [first, second] = args
  const options = typeof first === 'object' && first !== null ? first : { port: first }
  const isPort = ['number', 'string'].includes(typeof options.port) && options.port !== '' && Number(options.port) > 0
  if (!isPort || 'fd' in options || options.path || options._handle) return undefined
  const host = options === first ? options.host : second
  return { ...options, port: Number(options.port), host: typeof host === 'string' ? host : undefined }
}

function elsewhere (server, host) {
  const { address } = server.address()
  const same = host === undefined || ANY.includes(host) || host === address || (host === 'localhost' && /^(127\.|::1)/.test(address))
  return same ? undefined : `the program listens on ${host}, its Circus socket is bound to ${address}: give [socket] that host`
}

function listenHere (server, options, callback) {
  const descriptor = descriptors.get(options.port)
  if (descriptor === undefined) {
    return listen.call(server, { ...options, reusePort: true }, callback)
  }
  descriptors.delete(options.port) // a server that is closed takes the descriptor with it
  const { host, signal } = options
  server.prependOnceListener('listening', () => {
    const problem = elsewhere(server, host)
    if (problem) throw new Error(problem)
  })
  return listen.call(server, { fd: descriptor, signal }, callback)
}

net.Server.prototype.listen = function (...args) {
  const options = asked(args)
  if (readyWhenListening) this.once('listening', () => sayReady(readyWhenListening))
  if (shared === undefined || options === undefined) return listen.apply(this, args)
  const callback = args.at(-1)
  return listenHere(this, options, typeof callback === 'function' ? callback : undefined)
}

// -- ready, shutdown, instance ---------------------------------------------------------------------------------------

// Opened now: the program may change its folder. Linux lets a path go through the descriptor, so its length does not
// matter either, though a Unix socket's is limited to 107 bytes.
function readyPlace (file) {
  if (file === undefined) return undefined
  try {
    const folder = fs.openSync(path.dirname(file), fs.constants.O_RDONLY)
    return `/proc/self/fd/${folder}/${path.basename(file)}`
  } catch (problem) {
    complain(`it cannot say that it is ready: ${problem.message}`)
    return undefined
  }
}

const readyWhenListening = readyPlace(take('CIRCUS_READY_LISTENING'))
const readyWhenSaid = readyPlace(take('CIRCUS_READY_MESSAGE'))
let isReady = false

function sayReady (place) {
  if (isReady || place === undefined) return
  isReady = true
  fs.rmSync(place, { force: true }) // left by a killed process
  const server = net.createServer((connection) => connection.destroy())
  server.on('error', (problem) => complain(`it cannot say that it is ready: ${problem.message}`))
  listen.call(server, { path: place })
  server.unref()
}

if (!process.send) {
  process.send = (message, ...rest) => {
    if (message === 'ready') sayReady(readyWhenSaid)
    const callback = rest.at(-1)
    if (typeof callback === 'function') process.nextTick(callback, null)
    return true
  }
}

if (take('CIRCUS_SHUTDOWN_MESSAGE')) process.on('SIGINT', () => process.emit('message', 'shutdown'))

const [name, number] = (take('CIRCUS_INSTANCE') || '').split('=')
if (number) process.env[name] = String(Number(number) - 1)

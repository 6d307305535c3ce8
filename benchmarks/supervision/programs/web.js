// The same as web.py for PM2's cluster mode, in the way PM2 recommends: SIGINT closes the server before it exits.
const fs = require('fs');
const http = require('http');

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 3 });
  response.end('ok\n');
});
process.on('SIGINT', () => server.close(() => process.exit(0)));
setTimeout(() => {
  server.listen(Number(process.env.PORT), '127.0.0.1', () => {
    const started = Number(process.hrtime.bigint()) / 1e9;
    fs.appendFileSync(process.env.STARTS, `${process.pid} ${started.toFixed(6)}\n`);
  });
}, 1000 * Number(process.env.BOOT_S));

'use strict';

// Numbered events from Express, as its users write it: `node express.js PORT`.
// Event n is the same in every process, so a client may continue after the server was killed.
// One event each `?every=` milliseconds, and at most `?burst=` on one connection.
// Ends gracefully, its streams too, when its stdin is closed.

const express = require('express');
const { text } = require('./text.js');

const streams = new Set();

function write(res, n) {
  res.write(`id: ${n}\n`);
  for (const line of text(n).split('\n')) {
    res.write(`data: ${line}\n`);
  }
  res.write('\n');
}

const router = express.Router();

router.get('/', (req, res) => {
  let n = Number(req.get('Last-Event-ID') ?? '');
  const last = n + Number(req.query.burst ?? Infinity);

  res.setHeader('Content-Type', 'text/event-stream');
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('Connection', 'keep-alive');
  res.flushHeaders();
  res.write('retry: 100\n\n');
  streams.add(res);

  const timer = setInterval(() => {
    if (n === last) {
      return;
    }
    n += 1;
    write(res, n);
    if (n % 10 === 0) {
      res.write(': keep-alive\n\n');
    }
  }, Number(req.query.every ?? 5));

  req.on('close', () => {
    clearInterval(timer);
    streams.delete(res);
  });
});

const app = express();
app.use('/sse', router);

// Sends nothing after its first event.
app.get('/quiet', (req, res) => {
  const n = Number(req.get('Last-Event-ID') ?? '') + 1;
  res.setHeader('Content-Type', 'text/event-stream');
  res.flushHeaders();
  res.write('retry: 100\n');
  write(res, n);
});

const server = app.listen(Number(process.argv[2]), '127.0.0.1', (error) => {
  if (error) {
    throw error;
  }
});

process.stdin.resume();
process.stdin.on('end', () => {
  server.close(() => process.exit(0));
  for (const res of streams) {
    const { socket } = res;
    res.end(() => socket.destroySoon());
  }
});

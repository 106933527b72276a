'use strict';

// Numbered events from Express, as its users write them. Started as `node server.js [PORT]`.
// Event n is the same in every process, so a client may read on after the server was killed.
// Says on stdout what it sees; ends gracefully when its stdin is closed.

const express = require('express');

const contents = ['hello', 'γειά σου', 'こんにちは', '🚀 two\nlines'];

function message(count) {
  return {
    time: new Date(Date.UTC(2026, 0, 1) + count * 1000).toISOString(),
    content: contents[count % contents.length],
    code: 200,
    count,
  };
}

const streams = new Set();
const router = express.Router();

router.get('/', (req, res) => {
  const lastEventId = req.get('Last-Event-ID') ?? '';
  let count = Number(lastEventId);
  console.log(`open ${lastEventId}`);

  res.setHeader('Content-Type', 'text/event-stream');
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('Connection', 'keep-alive');
  res.flushHeaders();
  res.write('retry: 100\n\n');
  streams.add(res);

  const timer = setInterval(() => {
    count += 1;
    res.write(`id: ${count}\n`);
    res.write(`data: ${JSON.stringify(message(count))}\n\n`);
    if (count % 10 === 0) {
      res.write(': keep-alive\n\n');
    }
  }, 5);

  req.on('close', () => {
    clearInterval(timer);
    streams.delete(res);
    console.log('close');
  });
});

const app = express();
app.use('/sse', router);

const server = app.listen(Number(process.argv[2] ?? 0), '127.0.0.1', (error) => {
  if (error) {
    throw error;
  }
  console.log(`listening ${server.address().port}`);
});

process.stdin.resume();
process.stdin.on('end', () => {
  server.close(() => process.exit(0));
  for (const res of streams) {
    res.end();
  }
});

'use strict';

// Numbered events by better-sse, with its UUIDs as IDs: `node better-sse.js PORT`.
// At most `?burst=` events on one connection.

const express = require('express');
const { createSession } = require('better-sse');
const { text } = require('./text.js');

const prefix = '00000000-0000-4000-8000-';
const app = express();

app.get('/sse', async (req, res) => {
  const session = await createSession(req, res, {
    retry: 100,
    keepAlive: 20,
    serializer: (data) => data.split('\n').join('\ndata:'),
  });
  let n = Number(session.lastId.slice(prefix.length));
  const last = n + Number(req.query.burst ?? Infinity);
  const timer = setInterval(() => {
    if (n === last) {
      return;
    }
    n += 1;
    session.push(text(n), 'tick', prefix + String(n).padStart(12, '0'));
  }, 5);
  session.on('disconnected', () => clearInterval(timer));
});

app.listen(Number(process.argv[2]), '127.0.0.1', (error) => {
  if (error) {
    throw error;
  }
});

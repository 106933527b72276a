'use strict';

// For a server that listens on all addresses and has no option for that: node --require this.

const net = require('node:net');

const { listen } = net.Server.prototype;

net.Server.prototype.listen = function loopback(port, ...rest) {
  return listen.call(this, port, '127.0.0.1', ...rest.filter((arg) => typeof arg !== 'string'));
};

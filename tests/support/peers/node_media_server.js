// Runs node-media-server on loopback, for tests:
//   node node_media_server.js FOLDER CONFIG
// FOLDER holds its node_modules, CONFIG is its configuration as JSON. Of itself this version
// listens on every address; here each of its servers gets 127.0.0.1.
'use strict';
const net = require('net');
const path = require('path');

const [folder, config] = process.argv.slice(2);
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, { port: Number(port), host: '127.0.0.1' }, ...rest);
};

const NodeMediaServer = require(path.join(folder, 'node_modules', 'node-media-server'));
new NodeMediaServer(JSON.parse(config)).run();

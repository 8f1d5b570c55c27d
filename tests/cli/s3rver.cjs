// s3rver.cjs MODULES DATA [PORT] - an S3 server on loopback with the bucket "records", for
// archive_s3.t; says its port, then a line for each request. Key and secret are S3RVER.
// SPDX-License-Identifier: Apache-2.0
const [modules, directory, port] = process.argv.slice(2);
const S3rver = require(`${modules}/@20minutes/s3rver`);

const server = new S3rver({
  address: '127.0.0.1',
  port: Number(port || 0),
  directory,
  silent: true,
  vhostBuckets: false,
  configureBuckets: [{ name: 'records' }],
});
server.middleware.unshift(async (context, next) => {
  console.log(`${context.method} ${context.url}`);
  await next();
});
server.run().then((address) => console.log(`port ${address.port}`));

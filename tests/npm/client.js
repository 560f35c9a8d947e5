'use strict';
// One connection of amqplib as a trading application uses it, steered by a test: a JSON object a line, in and out.
// Commands carry an id and are answered in any order; deliveries and the connection's end are events.
// It must know nothing of the gateway, nor of M7.

const readline = require('node:readline');
const fs = require('node:fs');
const amqplib = require('amqplib');

let connection;
let channel;

const say = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const text = (error) => (error ? `${error.code ?? ''} ${error.message ?? error}`.trim() : '');

function message(queue, delivery) {
  const { correlationId, contentEncoding, replyTo } = delivery.properties;
  return {
    queue,
    body: delivery.content.toString('base64'),
    correlation_id: correlationId ?? '',
    content_encoding: contentEncoding ?? '',
    reply_to: replyTo ?? '',
  };
}

const commands = {
  async connect({ host, port, user, password, vhost, heartbeat, ca }) {
    const address = { protocol: ca ? 'amqps' : 'amqp', hostname: host, port, username: user, password, vhost, heartbeat };
    connection = await amqplib.connect(address, ca ? { ca: [fs.readFileSync(ca)] } : {});
    connection.on('error', (error) => say('error', { text: text(error) }));
    connection.on('close', (error) => say('closed', { text: text(error) }));
    connection.on('blocked', (reason) => say('blocked', { text: String(reason) }));
    connection.on('unblocked', () => say('unblocked', {}));
    channel = await connection.createConfirmChannel();
    channel.on('error', (error) => say('channel_closed', { text: text(error) }));
    channel.on('return', (returned) => say('returned', message('', returned)));
  },
  declare: ({ queue, exclusive }) => channel.assertQueue(queue, { exclusive, autoDelete: exclusive, durable: false }),
  consume: ({ queue }) =>
    channel.consume(queue, (delivery) => delivery && say('delivered', message(queue, delivery)), { noAck: true }),
  async get({ queue }) {
    const delivery = await channel.get(queue, { noAck: true });
    return delivery ? message(queue, delivery) : { empty: true };
  },
  publish({ exchange, key, body, properties }) {
    const options = {
      correlationId: properties.correlation_id,
      replyTo: properties.reply_to,
      contentType: properties.content_type,
      contentEncoding: properties.content_encoding,
      userId: properties.user_id,
      appId: properties.app_id,
    };
    return new Promise((resolve, reject) => {
      channel.publish(exchange, key, Buffer.from(body, 'base64'), options, (error) => (error ? reject(error) : resolve()));
    });
  },
  close: () => connection.close(),
};

async function carryOut(line) {
  const { id, do: name, ...fields } = JSON.parse(line);
  try {
    const result = await commands[name](fields);
    say('answer', { id, result: result ?? {} });
  } catch (error) {
    say('answer', { id, error: text(error) });
  }
}

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', carryOut);
lines.on('close', () => process.exit(0));

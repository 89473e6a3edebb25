// A thing as a device built on the SDK for JavaScript would be it, over MQTT 5.
//
//   node device.mjs --endpoint HOST --port PORT --ca FILE --identities FOLDER NAME=STATUS...

import { once } from "node:events";
import { parseArgs } from "node:util";

import sdk from "aws-iot-device-sdk-v2";

const { iot, iotjobs, mqtt5 } = sdk;
const PATIENCE_SECONDS = 60;

const text = { type: "string" };
const { values: options, positionals: things } = parseArgs({
  allowPositionals: true,
  options: { endpoint: text, port: text, ca: text, identities: text },
});

/** Connect as a thing; the certificate says which. */
function connect(name) {
  const identity = `${options.identities}/${name}`;
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
    options.endpoint,
    `${identity}.cert.pem`,
    `${identity}.key.pem`,
  );
  builder
    .withCertificateAuthorityFromPath(undefined, options.ca)
    .withPort(Number(options.port))
    .withConnectProperties({ clientId: name, keepAliveIntervalSeconds: 60 });
  return new mqtt5.Mqtt5Client(builder.build());
}

/** Start the next execution: ask once subscribed, and again when notified. */
async function take(client, name) {
  const stream = client.createNextJobExecutionChangedStream({ thingName: name });
  const subscribed = once(stream, "subscriptionStatus");
  const noticed = once(stream, "incomingPublish");
  stream.open();
  for (const cause of [subscribed, noticed]) {
    await cause;
    const { execution } = await client.startNextPendingJobExecution({ thingName: name });
    if (execution?.jobId) {
      return execution;
    }
  }
  throw new Error("it was notified, and found nothing to start");
}

/** Take one execution to its end, and print what was seen on the way. */
async function run(name, outcome) {
  const connection = connect(name);
  connection.start();
  const client = iotjobs.IotJobsClientv2.newFromMqtt5(connection, {
    maxRequestResponseSubscriptions: 4,
    maxStreamingSubscriptions: 2,
    operationTimeoutInSeconds: PATIENCE_SECONDS,
  });
  const { jobId, versionNumber, jobDocument } = await take(client, name);
  const report = (status, expectedVersion, statusDetails) =>
    client.updateJobExecution({
      ...{ thingName: name, jobId, status, expectedVersion, statusDetails },
      includeJobExecutionState: true,
    });

  const progress = await report("IN_PROGRESS", versionNumber, { progress: "50%" });
  const stale = await report(outcome, versionNumber, { reason: "stale" }).then(
    () => undefined,
    (refusal) => refusal.modeledError?.code,
  );
  await report(outcome, progress.executionState.versionNumber, { reason: "as-told" });
  console.log(JSON.stringify({ thing: name, job: jobId, document: jobDocument, stale }));
  client.close();
  const stopped = once(connection, "stopped");
  connection.stop();
  await stopped;
  connection.close();
}

for (const each of things) {
  const [name, outcome] = each.split("=");
  await run(name, outcome);
}
process.exit(0); // threads of the SDK would keep it alive

// Decodes what goes to a receiver of OTLP, by OpenTelemetry's own definitions: each line of the input is a body in
// base64, each of the output its ExportTraceServiceRequest as JSON, ids in base64 and 64-bit numbers as text; or
// {"fault": ...}. A body with anything that the definitions do not know is at fault, too.
const readline = require("node:readline");
const root = require("@opentelemetry/otlp-transformer/build/src/generated/root.js");

const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

function decoded(body) {
  try {
    const message = Request.decode(body);
    const fault = Request.verify(message);
    if (fault) return { fault };
    // What was not known was passed over, and is missing now.
    const again = Request.encode(message).finish();
    if (!body.equals(Buffer.from(again))) return { fault: "written again, it is another message" };
    return Request.toObject(message, { longs: String, bytes: String });
  } catch (error) {
    return { fault: String(error) };
  }
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(decoded(Buffer.from(line, "base64"))) + "\n");
});

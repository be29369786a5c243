// Prints every row of Arrow latent files as another implementation of Arrow reads them: apache-arrow for JavaScript.
//
//	npm install --prefix /tmp/arrow apache-arrow
//	LFM_ARROW_JS=/tmp/arrow go test ./internal/latent -run TestIndependentReader
//
// The test calls: node read.mjs DIR/node_modules/apache-arrow/Arrow.node.mjs FILE…
// Output: the schema metadata, then one line a row: id, split, flip, label, and the bits of each float in hex.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [library, ...files] = process.argv.slice(2);
const { tableFromIPC } = await import(pathToFileURL(library));

for (const file of files) {
  const table = tableFromIPC(readFileSync(file));
  for (const [key, value] of table.schema.metadata) console.log(key, value);
  for (const row of table) {
    const { id, split, flip, label, latent } = row.toJSON();
    const floats = latent.toArray();
    const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
    console.log(id, split, flip, label, [...bits].map((b) => b.toString(16).padStart(8, "0")).join(" "));
  }
}

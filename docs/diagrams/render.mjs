// Make ../images/NAME.svg of each NAME.dot here; an image says which text it was made from.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { instance } from "@viz-js/viz";

const here = new URL(".", import.meta.url);
const viz = await instance();

for (const file of readdirSync(here).filter((name) => name.endsWith(".dot"))) {
  const text = readFileSync(new URL(file, here), "utf8");
  const digest = createHash("sha256").update(text).digest("hex");
  const drawn = viz.renderString(text, { format: "svg" });
  const svg = drawn.slice(drawn.indexOf("<svg"));
  const image = new URL(`../images/${file.replace(/\.dot$/, ".svg")}`, here);
  writeFileSync(image, `<!-- made by make diagrams from docs/diagrams/${file}, sha256:${digest} -->\n${svg}`);
}

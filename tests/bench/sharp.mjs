// sharp.mjs SIDE FILE...: the same work by sharp, one image after another on one thread.
// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";

const [side, ...files] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "sharp-"));
sharp.cache(false);
sharp.concurrency(1);
for (const file of files) {
    const image = sharp(readFileSync(file)).rotate();
    image.resize(Number(side), Number(side), { fit: "inside", withoutEnlargement: true });
    writeFileSync(join(folder, "out.jpg"), await image.jpeg({ quality: 75 }).toBuffer());
}
rmSync(folder, { recursive: true });

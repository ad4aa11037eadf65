// npm run import -- nicknames.json: what the API held in memory, as JSON.stringify([...nicknameStore]) wrote it.
// It may run again, also after it was cut off: what is there stays as it is.
import { readFileSync } from "node:fs";
import { inArray } from "drizzle-orm";
import { db, normalized, pool } from "./client.js";
import { profiles } from "./schema.js";

const BATCH = 1000;
const known: [nickname: string, address: string][] = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
let added = 0;
let refused = 0;
for (let start = 0; start < known.length; start += BATCH) {
  const batch = known.slice(start, start + BATCH);
  const rows = batch.map(([nickname, address]) => ({ address, nickname, nicknameNormalized: normalized(nickname) }));
  added += (await db.insert(profiles).values(rows).onConflictDoNothing().returning()).length;
  const addresses = rows.map((row) => row.address);
  const there = await db.select().from(profiles).where(inArray(profiles.address, addresses));
  const names = new Map(there.map((row) => [row.address, row.nicknameNormalized]));
  for (const row of rows.filter((one) => names.get(one.address) !== one.nicknameNormalized)) {
    console.error(`${row.address}: ${row.nickname} is not taken over, the database has another`);
    refused += 1;
  }
}
console.log(`${added} added, ${known.length - added - refused} were there, ${refused} refused`);
await pool.end();

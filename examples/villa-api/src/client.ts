import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";

// `sslmode` in the address would replace `ssl` below, and the authority with it.
const url = new URL(process.env.DATABASE_URL ?? "");
url.searchParams.delete("sslmode");

export const pool = new pg.Pool({ connectionString: url.toString(), ssl: { ca: process.env.DATABASE_CA_CERT }, max: 5 });
export const db = drizzle(pool);

/** Two nicknames that look alike are one. */
export const normalized = (nickname: string) => nickname.normalize("NFKC").trim().toLowerCase();

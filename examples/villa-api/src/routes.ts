import { and, eq, gt, lt, or, sql } from "drizzle-orm";
import { db, normalized } from "./client.js";
import { auditLog, nicknameReservations as reservations, profiles } from "./schema.js";

type Answer = [status: number, body: unknown];
type Route = (name: string, body: Record<string, string>) => Promise<Answer>;

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const HELD_FOR = sql`now() + interval '10 minutes'`;

// nicknameStore.get(normalized)
const nickname: Route = async (name) => {
  const wanted = normalized(name);
  const [owner] = await db.select().from(profiles).where(eq(profiles.nicknameNormalized, wanted));
  const live = and(eq(reservations.nicknameNormalized, wanted), gt(reservations.expiresAt, sql`now()`));
  const [held] = await db.select().from(reservations).where(live);
  return [200, { available: !owner && !held }];
};

// reservationStore.set(normalized, { address, expiresAt }): one statement, so that of two at once one gets it.
const reserve: Route = async (name, { address = "" }) => {
  const values = { nicknameNormalized: normalized(name), address, expiresAt: HELD_FOR };
  const [held] = await db
    .insert(reservations)
    .values(values)
    .onConflictDoUpdate({
      target: reservations.nicknameNormalized,
      set: { address, expiresAt: HELD_FOR },
      setWhere: or(eq(reservations.address, address), lt(reservations.expiresAt, sql`now()`)),
    })
    .returning();
  return held ? [201, { expiresAt: held.expiresAt }] : [409, { error: "the nickname is held for somebody else" }];
};

// profileStore.get(address)
const profile: Route = async (address) => {
  const [found] = await db.select().from(profiles).where(eq(profiles.address, address));
  return found ? [200, found] : [404, { error: "no such profile" }];
};

// nicknameStore.set(normalized, address), and what the audit log says of it: both or neither.
const save: Route = (address, { nickname: name = "", avatarStyle }) =>
  db.transaction(async (tx): Promise<Answer> => {
    const wanted = normalized(name);
    const freed = await tx.delete(reservations).where(eq(reservations.nicknameNormalized, wanted)).returning();
    if (freed.some((one) => one.address !== address && one.expiresAt > new Date())) {
      throw new Conflict("the nickname is held for somebody else");
    }
    const values = { nickname: name, nicknameNormalized: wanted, avatarStyle };
    const [saved] = await tx
      .insert(profiles)
      .values({ address, ...values })
      .onConflictDoUpdate({ target: profiles.address, set: values })
      .returning();
    await tx.insert(auditLog).values({ address, action: "profile.saved", details: values });
    return [200, saved];
  });

class Conflict extends Error {}

const ROUTES: Record<string, Route> = {
  "GET nicknames": nickname,
  "POST nicknames": reserve,
  "GET profiles": profile,
  "PUT profiles": save,
};

/** The answer to a request, for example PUT /profiles/0x12 with a body. */
export async function answer(method: string, path: string, body: Record<string, string>): Promise<Answer> {
  const [, what = "", name = ""] = path.split("/").map(decodeURIComponent);
  if (what === "health") return [200, { ok: true }];
  const route = ROUTES[`${method} ${what}`];
  if (!route) return [404, { error: "no such route" }];
  const address = what === "profiles" ? name : body.address;
  if (method !== "GET" && !ADDRESS.test(address ?? "")) {
    return [400, { error: "an address is 0x and 40 hexadecimal digits" }];
  }
  try {
    return await route(name, body);
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause;
    if (error instanceof Conflict) return [409, { error: error.message }];
    if (cause?.code === "23505") return [409, { error: "the nickname is taken" }];
    throw error;
  }
}

// What migrations/villa/villa has made. The API changes rows; Trellis changes the schema.
import { inet, integer, jsonb, pgTable, timestamp, uuid, varchar } from "drizzle-orm/pg-core";

export const profiles = pgTable("profiles", {
  id: uuid("id").primaryKey().defaultRandom(),
  address: varchar("address", { length: 42 }).notNull().unique(),
  nickname: varchar("nickname", { length: 32 }).unique(),
  nicknameNormalized: varchar("nickname_normalized", { length: 32 }).unique(),
  avatarStyle: varchar("avatar_style", { length: 20 }).default("bottts"),
  avatarSeed: varchar("avatar_seed", { length: 64 }),
  avatarGender: varchar("avatar_gender", { length: 10 }),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).defaultNow(),
});

export const nicknameReservations = pgTable("nickname_reservations", {
  id: uuid("id").primaryKey().defaultRandom(),
  nicknameNormalized: varchar("nickname_normalized", { length: 32 }).notNull().unique(),
  address: varchar("address", { length: 42 }).notNull(),
  expiresAt: timestamp("expires_at", { withTimezone: true }).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow(),
});

export const ensRegistrations = pgTable("ens_registrations", {
  id: uuid("id").primaryKey().defaultRandom(),
  address: varchar("address", { length: 42 }).notNull().unique(),
  ensName: varchar("ens_name", { length: 255 }).notNull(),
  chainId: integer("chain_id").notNull(),
  txHash: varchar("tx_hash", { length: 66 }),
  registeredAt: timestamp("registered_at", { withTimezone: true }).defaultNow(),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
});

export const auditLog = pgTable("audit_log", {
  id: uuid("id").primaryKey().defaultRandom(),
  address: varchar("address", { length: 42 }),
  action: varchar("action", { length: 50 }).notNull(),
  details: jsonb("details"),
  ipAddress: inet("ip_address"),
  createdAt: timestamp("created_at", { withTimezone: true }).defaultNow(),
});

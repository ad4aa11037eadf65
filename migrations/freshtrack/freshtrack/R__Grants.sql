-- What the application ${app_role} may do. Nothing is granted by default: a later table is named here.

REVOKE CONNECT, TEMPORARY ON DATABASE "${flyway:database}" FROM PUBLIC;
GRANT CONNECT ON DATABASE "${flyway:database}" TO "${app_role}";
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM "${app_role}";
GRANT USAGE ON SCHEMA public TO "${app_role}";
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "${app_role}";

GRANT SELECT, INSERT, UPDATE, DELETE ON sites, products, lots TO "${app_role}";
GRANT SELECT, INSERT ON lot_events, temperature_readings TO "${app_role}";
GRANT SELECT ON lot_freshness TO "${app_role}";

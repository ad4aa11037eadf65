-- A project for development: two environments, a build that is live in one of them, one that failed, and a quota that
-- is half used. Running it again adds what is missing and changes nothing.

CREATE FUNCTION pg_temp.id(name TEXT) RETURNS UUID LANGUAGE sql IMMUTABLE
RETURN md5('capsule test data: ' || name)::uuid;

INSERT INTO environments (id, project_id, name, kind, configuration)
SELECT pg_temp.id('environment ' || kind), pg_temp.id('project'), kind, kind, '{"LOG_LEVEL": "debug"}'
FROM unnest(ARRAY['staging', 'production']) AS kind
ON CONFLICT DO NOTHING;
INSERT INTO container_registries (id, project_id, name, host)
VALUES (pg_temp.id('registry'), pg_temp.id('project'), 'images', 'registry.capsule.example')
ON CONFLICT DO NOTHING;

-- Builds and deployments begin queued and take the ways that their status may take.
INSERT INTO builds (id, project_id, registry_id, commit_sha, image_repository)
SELECT pg_temp.id(build), pg_temp.id('project'), pg_temp.id('registry'), md5(build) || left(md5(build), 8), 'capsule/web'
FROM unnest(ARRAY['build good', 'build bad', 'build next']) AS build
ON CONFLICT DO NOTHING;
UPDATE builds SET status = 'running'
WHERE id IN (pg_temp.id('build good'), pg_temp.id('build bad')) AND status = 'queued';
UPDATE builds SET status = 'succeeded', image_digest = 'sha256:' || encode(digest('good', 'sha256'), 'hex')
WHERE id = pg_temp.id('build good') AND status = 'running';
UPDATE builds SET status = 'failed' WHERE id = pg_temp.id('build bad') AND status = 'running';

INSERT INTO deployments (id, environment_id, build_id, deployed_by)
SELECT pg_temp.id('deployment ' || kind), pg_temp.id('environment ' || kind), pg_temp.id('build good'), pg_temp.id('ben')
FROM unnest(ARRAY['staging', 'production']) AS kind
ON CONFLICT DO NOTHING;
UPDATE deployments SET status = 'deploying' WHERE id = pg_temp.id('deployment staging') AND status = 'queued';
UPDATE deployments SET status = 'live' WHERE id = pg_temp.id('deployment staging') AND status = 'deploying';

INSERT INTO resource_quotas (project_id, resource, allowed)
VALUES (pg_temp.id('project'), 'memory_mib', 2048), (pg_temp.id('project'), 'replicas', 4)
ON CONFLICT DO NOTHING;
INSERT INTO resource_allocations (environment_id, project_id, resource, quantity)
SELECT pg_temp.id('environment staging'), pg_temp.id('project'), resource, quantity
FROM (VALUES ('memory_mib', 1024), ('replicas', 2)) AS given (resource, quantity)
ON CONFLICT DO NOTHING;

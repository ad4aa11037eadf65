"""What stands at the foot of each `--help`: examples and exit codes. No line is longer than 78 characters."""

from collections.abc import Mapping

_ALWAYS = {
    0: "done, or nothing wrong",
    1: "failed, or something is wrong",
    2: "wrong call; nothing was done",
    130: "interrupted; the next run goes on",
    143: "interrupted by SIGTERM; the next run goes on",
}
_OF = {
    "info": {3: "migrations are pending (only with --exit-code)"},
    "preview-report": {4: "the pull request is held up"},
    "run": {126: "the program cannot be run", 127: "there is no such program"},
    "status": {5: "something is to be looked at", 6: "something is critical"},
}


def exit_codes(command: str | None = None) -> str:
    """The exit codes of a command, or of all."""
    if command is None:
        codes = {**_ALWAYS, 3: "migrations are pending (only `info --exit-code`)"}
        codes[4] = "the pull request is held up (only `preview-report`)"
        codes |= {code: f"{meaning} (only `status`)" for code, meaning in _OF["status"].items()}
    else:
        codes = {**_ALWAYS, **_OF.get(command, {})}
    return "\n".join(("exit codes:", *(f"  {code:<3}  {codes[code]}" for code in sorted(codes))))


EXAMPLES: Mapping[str, str] = {
    "migrate": """\
examples:
  trellis migrate                              every database of the stack dev
  trellis migrate --stack prod villa --dry-run what a run would apply
  trellis migrate --url postgresql://admin@localhost/villa \\
    --folder migrations/villa/villa --placeholder app_role=villa_app""",
    "info": """\
examples:
  trellis info
  trellis info --stack prod --exit-code        3 when migrations are pending
  trellis info --json | jq '.databases[].pending'""",
    "validate": """\
examples:
  trellis validate
  trellis validate --stack prod villa-db/villa""",
    "repair": """\
examples:
  trellis repair --dry-run                     what it would change
  trellis repair --stack prod villa --yes      without a question""",
    "baseline": """\
examples:
  trellis baseline villa --version 1.0.6
  trellis baseline --url postgresql://admin@localhost/old --version 1 --yes""",
    "reset": """\
examples:
  trellis reset --dry-run                      what would be deleted
  trellis reset --stack capsule auth_service_db
  trellis reset --yes                          all of dev, without a question""",
    "check": """\
examples:
  trellis check                                files pending in the stack dev
  trellis check --all --stack prod             every file; asks no database
  trellis check --folder migrations/villa/villa \\
    --placeholder app_role=villa_app --since 1.0.6 --markdown""",
    "preview-report": """\
examples:
  trellis preview-report --stack dev           as Markdown
  trellis preview-report --stack prod \\
    --policy-config policies.prod.json --output comment.md""",
    "diagram": """\
examples:
  trellis diagram                              the stack dev
  trellis diagram --stack prod --phase scale --output prod.mmd
  trellis diagram --system systems/villa.yaml""",
    "up": """\
examples:
  trellis up --stack dev
  trellis up --stack prod -- --refresh         with options of `pulumi up`""",
    "move": """\
examples:
  trellis move plan --stack prod               what would move
  trellis move start --stack prod              a second cluster follows
  trellis move cutover --stack prod            it takes over
  trellis move finish --stack prod             the old one goes""",
    "backup": """\
examples:
  trellis backup --new-key backups.key         once; keep it elsewhere
  trellis backup --stack prod                  to backups.to of the system
  trellis backup --stack prod --to backups     to a folder""",
    "drill": """\
examples:
  trellis drill --stack prod                   as of now, every cluster
  trellis drill --stack prod --at 2026-01-31T19:25:22Z
  trellis drill --stack prod --from newest --identity backups.key
  trellis drill --stack prod --sweep           what killed drills left""",
    "rescue": """\
examples:
  trellis rescue --stack prod --at 2026-01-31T19:25Z --table buyers --dry-run
  trellis rescue --stack prod --at 2026-01-31T19:25Z --table buyers \\
    --where "status = 'active'" --yes
  trellis rescue --stack prod --from newest --table buyers""",
    "status": """\
examples:
  trellis status --stack prod
  trellis status --stack prod --watch 10       until Ctrl-C
  trellis status --stack prod --grants --json | jq '.findings[]'""",
    "monitoring": """\
examples:
  trellis monitoring /srv/monitoring --stack prod        to TRELLIS_WEBHOOK
  trellis monitoring /srv/monitoring --stack prod \\
    --smtp smtp.your-company.com:587 --smtp-from alerts@your-company.com""",
    "jobs": """\
examples:
  trellis jobs run --due --stack prod          what is due
  trellis jobs run expire-wires --stack tudao     this one, now""",
    "run": """\
examples:
  trellis run villa-api -- node server.js      as the app, on the stack dev
  trellis run villa-api --stack prod -- npm run report -- --month 2026-10
  trellis run villa-pool -- python import.py   as the pool's user""",
    "env": """\
examples:
  trellis env villa-api
  trellis env villa-api --json | jq '.names[]'""",
    "rotate": """\
examples:
  trellis rotate villa_app --stack prod --dry-run     what it would do
  trellis rotate villa_app --stack prod
  trellis rotate villa_app --stack prod --force       it has leaked
  trellis rotate --all --administrator --stack prod""",
    "facts": """\
examples:
  trellis facts --stack prod
  trellis facts --stack prod --json | jq '.differences[]'""",
    "restore": """\
examples:
  trellis restore start --at 2026-01-31T19:25:22Z --stack prod
  trellis restore cutover --stack prod
  trellis restore finish --stack prod
  trellis restore --from backups/prod --to postgresql://admin@localhost/villa
  trellis restore --from spaces://villa-backups/dumps/prod --to "$URL" \\
    --identity backups.key""",
    "recover": """\
example:
  trellis recover --stack prod""",
    "new": """\
examples:
  trellis new shop
  trellis new system billing
  trellis new migration Orders --system shop --database shop""",
    "dev": """\
examples:
  trellis dev up                               the stack dev
  trellis dev down --stack tudao""",
}

"""Examples at the foot of each `--help`."""

from collections.abc import Mapping

EXIT_CODES = """\
exit codes:
  0  done, or nothing wrong
  1  failed, or something is wrong
  2  wrong call; nothing was done
  3  migrations are pending (only `info --exit-code`)
  4  the pull request is held up (only `preview-report`)"""

EXAMPLES: Mapping[str, str] = {
    "migrate": """\
examples:
  trellis migrate                              every database of the stack dev
  trellis migrate --stack prod villa --dry-run what a run would apply
  trellis migrate --url postgresql://admin@localhost/villa --folder migrations/villa/villa \\
    --placeholder app_role=villa_app""",
    "info": """\
examples:
  trellis info
  trellis info --stack prod --exit-code        3 when migrations are pending
  trellis info --json | jq -r '.databases[].migrations[] | select(.state == "pending").script'""",
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
  trellis reset --yes                          every database of the stack dev, without a question""",
    "check": """\
examples:
  trellis check                                files that are pending in the stack dev
  trellis check --all --stack prod             every file, without asking a database
  trellis check --folder migrations/villa/villa --placeholder app_role=villa_app --since 1.0.6 --markdown""",
    "preview-report": """\
examples:
  trellis preview-report --stack dev           as Markdown
  trellis preview-report --stack prod --policy-config policies.prod.json --output comment.md""",
    "up": """\
examples:
  trellis up --stack dev
  trellis up --stack prod -- --refresh         with options of `pulumi up`""",
    "recover": """\
example:
  trellis recover --stack prod""",
}

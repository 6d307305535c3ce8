"""`migrate`, `keys` and `phones`: what a gateway needs before its first message.

`migrate` and `keys` go to the database, as no key exists yet; `phones` goes through the API, which checks what each
channel asks of a phone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import click

from bisnes_cli.errors import Refused
from bisnes_cli.http import Api
from bisnes_cli.installation import Installation
from bisnes_core.settings import Settings
from db.companies import create_company
from db.keys import SCOPES, create_key, list_keys, revoke_key
from db.migrate import SchemaNotReady, ensure_schema
from db.pool import Connection, DatabaseAway, Pool

#: A person waits; the embedded PostgreSQL's first start takes a few seconds.
DATABASE_PATIENCE_S = 10.0


@contextmanager
def database(settings: Settings) -> Iterator[Connection]:
    """A connection to an up-to-date database, in one transaction.

    Raises:
        Refused: when the database does not answer.
    """
    pool = Pool(settings, patience_s=DATABASE_PATIENCE_S)
    try:
        ensure_schema(settings.database_conninfo, deadline_s=DATABASE_PATIENCE_S)
        pool.open()
        with pool.connection() as connection, connection.transaction():
            yield connection
    except (DatabaseAway, SchemaNotReady) as away:
        where = "DATABASE_URL" if settings.database_url else "the embedded PostgreSQL (start it: bisnes up)"
        raise Refused(f"The database does not answer: {where}. {away}") from away
    finally:
        pool.close()


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date. Every process does so by itself when it starts."""
    with database(Installation.find().settings):
        click.echo("the schema is up to date")


@click.group()
def keys() -> None:
    """API keys: each belongs to one company and carries scopes."""


@keys.command("create")
@click.argument("company")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Repeatable; default: admin, all.")
@click.option("--name", default="", help="What the key is for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(company: str, scopes: tuple[str, ...], name: str, as_json: bool) -> None:
    """Create a key of COMPANY, and the company itself if it is new. The key is shown this once."""
    with database(Installation.find().settings) as connection:
        create_company(connection, company)
        text, key = create_key(connection, company, scopes or ("admin",), name)
    if as_json:
        click.echo(json.dumps({"key": text, "id": str(key.id), "companyId": company, "scopes": list(key.scopes)}))
        return
    click.echo(text)
    click.echo(f"Key {key.id} of {company}, {', '.join(key.scopes)}. It is not shown again.", err=True)


@keys.command("list")
@click.argument("company")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def list_all(company: str, as_json: bool) -> None:
    """List the keys of COMPANY, revoked ones included."""
    with database(Installation.find().settings) as connection:
        found = list_keys(connection, company)
    if as_json:
        rows = [
            {
                "id": str(key.id),
                "name": key.name,
                "hint": key.key_hint,
                "scopes": list(key.scopes),
                "createdAt": key.created_at.isoformat(),
                "revokedAt": key.revoked_at and key.revoked_at.isoformat(),
            }
            for key in found
        ]
        click.echo(json.dumps(rows))
        return
    for key in found:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in force"
        click.echo(f"{key.id}  …{key.key_hint}  {','.join(key.scopes):<20} {state:<20} {key.name}")


@keys.command("revoke")
@click.argument("company")
@click.argument("key_id", type=click.UUID)
def revoke(company: str, key_id: UUID) -> None:
    """Revoke the key KEY_ID of COMPANY; requests with it get 401 from now on."""
    with database(Installation.find().settings) as connection:
        if not revoke_key(connection, company, key_id):
            raise Refused(f"{company} has no key {key_id} in force; see: bisnes keys list {company}")
    click.echo(f"{key_id} is revoked")


@click.group()
@click.option("--key", envvar="API_KEY", help="Key with scope `phones`; default: $API_KEY.")
@click.option("--url", help="Address of the API; default: the one of this installation.")
@click.pass_context
def phones(context: click.Context, key: str | None, url: str | None) -> None:
    """Phones of a company. Example: bisnes phones --key $KEY list demo."""
    if key is None:
        raise Refused("Give a key with scope `phones`: --key or $API_KEY. Create one: bisnes keys create COMPANY")
    context.obj = Api(url or Installation.find().api_url, key)


@phones.command("add")
@click.argument("company")
@click.argument("connection_type")
@click.option("--index", default=0, show_default=True, help="Number of the phone within the company.")
@click.option("--set", "fields", multiple=True, metavar="NAME=VALUE", help="Field of its configuration; repeatable.")
@click.option("--on-unconfirmed", type=click.Choice(["resend", "hold"]), default="resend", show_default=True)
@click.pass_obj
def add(api: Api, company: str, connection_type: str, index: int, fields: tuple[str, ...], on_unconfirmed: str) -> None:
    """Add a phone of CONNECTION_TYPE (meta_direct, meta_embedded, 360dialog, loopback) to COMPANY."""
    body = {
        "phoneIndex": index,
        "connectionType": connection_type,
        "onUnconfirmed": on_unconfirmed,
        "config": dict(_field(text) for text in fields),
    }
    click.echo(json.dumps(api.call("POST", f"/api/v2/phones/{company}", body).require(200, 201)))


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
    return name, value


@phones.command("list")
@click.argument("company")
@click.pass_obj
def list_phones(api: Api, company: str) -> None:
    """List the phones of COMPANY as JSON; secrets are not shown."""
    click.echo(json.dumps(api.get(f"/api/v2/phones/{company}").require(200), indent=2))


@phones.command("remove")
@click.argument("company")
@click.argument("index", type=int)
@click.pass_obj
def remove(api: Api, company: str, index: int) -> None:
    """Remove phone INDEX of COMPANY; its unsent messages end as failed, with that reason."""
    api.call("DELETE", f"/api/v2/phones/{company}/{index}").require(200, 204)
    click.echo(f"phone {index} of {company} is removed")

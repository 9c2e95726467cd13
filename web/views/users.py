"""User management (S71 to S82): list, create, change, delete, equipment passwords."""

from __future__ import annotations

from functools import partial

from softswitch.admin import users as admin
from softswitch.admin.equipment import generate_equipment_password
from softswitch.admin.forms import UserForm, parse_user_form
from softswitch.admin.refusal import Conflict, NotFound, Problem, Refused
from softswitch.secrets import PORTAL_PASSWORD_MAX, hash_password
from web.forms import Form
from web.http import Routes
from web.people import people
from web.queries import users as queries
from web.queries.users import UserRow
from web.responses import HttpError, Response, not_found, redirect
from web.rights import Right
from web.stepup import give_password
from web.visit import Visit

routes = Routes()

PORTAL_PASSWORD_MIN = 10  # portal study 2.8
LIST = "/settings/users"
DONE = {
    "created": "User created. Show the password and enter it in the phone.",
    "saved": "Saved. The next call obeys.",
    "deleted": "User deleted.",
    "default": "Default designated number saved. The next call obeys.",
}


@routes.get(LIST, policy=Right.USERS_WRITE)
async def listing(visit: Visit) -> Response:
    """Every user, with the phones that are registered now."""
    return await visit.page(
        "users/list.html",
        partial(queries.listing, account_id=visit.account),
        people=people(visit.deps.live, visit.deps.snapshots, visit.account),
        done=DONE.get(visit.query.get("done", ""), ""),
    )


@routes.get(f"{LIST}/new", policy=Right.USERS_WRITE)
async def new(visit: Visit) -> Response:
    """An empty form with the next free extension."""
    return await _form_page(visit, None, None)


@routes.post(f"{LIST}/new", policy=Right.USERS_WRITE)
async def create(visit: Visit) -> Response:
    """Create the user, or show the form again with what is wrong."""
    return await _save(visit, None)


@routes.get(f"{LIST}/<user_id>", policy=Right.USERS_WRITE)
async def edit(visit: Visit, user_id: str) -> Response:
    """The form of a user, filled in."""
    return await _form_page(visit, user_id, None)


@routes.post(f"{LIST}/<user_id>", policy=Right.USERS_WRITE)
async def save(visit: Visit, user_id: str) -> Response:
    """Change the user, or show the form again with what is wrong."""
    return await _save(visit, user_id)


@routes.get(f"{LIST}/<user_id>/delete", policy=Right.USERS_WRITE)
async def confirm_delete(visit: Visit, user_id: str) -> Response:
    """Ask, and say what refers to the user."""
    return await _delete_page(visit, user_id)


@routes.post(f"{LIST}/<user_id>/delete", policy=Right.USERS_WRITE)
async def delete(visit: Visit, user_id: str) -> Response:
    """Delete the user; refused while something refers to it."""
    version = _version(visit)
    try:
        await visit.command(admin.delete_user, visit.actor, visit.account, user_id, version)
    except NotFound as gone:
        raise not_found() from gone
    except Refused as refused:
        return await _delete_page(visit, user_id, refused.problems)
    return redirect(f"{LIST}?done=deleted")


@routes.get(f"{LIST}/<user_id>/password", policy=Right.USERS_WRITE)
async def ask_password(visit: Visit, user_id: str) -> Response:
    """The page that shows an equipment password, before it is shown."""
    return await _password_page(visit, user_id)


@routes.post(f"{LIST}/<user_id>/password", policy=Right.USERS_WRITE)
async def show_password(visit: Visit, user_id: str) -> Response:
    """Show the equipment password (S76) to somebody who gave the own password lately."""
    problem = await give_password(visit, visit.fields.get("password", ""))
    if problem:
        return await _password_page(visit, user_id, problem=problem, status=422)
    try:
        secret = await visit.command(
            admin.reveal_equipment_password,
            visit.deps.vault,
            visit.actor,
            visit.account,
            user_id,
        )
    except NotFound as gone:
        raise not_found() from gone
    return await _password_page(visit, user_id, secret=secret)


@routes.get("/settings/default-number", policy=Right.USERS_WRITE)
async def default_number(visit: Visit) -> Response:
    """The window of the default designated number (S82)."""
    return await _default_number_page(visit)


@routes.post("/settings/default-number", policy=Right.USERS_WRITE)
async def save_default_number(visit: Visit) -> Response:
    """Choose the number that users without their own show."""
    number = visit.fields.get("default_number", "") or None
    version = _version(visit)
    try:
        await visit.command(admin.set_default_number, visit.actor, visit.account, number, version)
    except Refused as refused:
        return await _default_number_page(visit, refused.problems)
    return redirect(f"{LIST}?done=default")


async def _save(visit: Visit, user_id: str | None) -> Response:
    fields = visit.fields
    if fields.get("action") == "generate":
        filled = Form({**fields, "equipment_password": generate_equipment_password()})
        return await _form_page(visit, user_id, filled)
    shown = Form({name: text for name, text in fields.items() if name != "portal_password"})
    form = parse_user_form(form_data(fields))
    problems = (*_as_problems(form), *portal_password_problems(fields))
    if problems or not isinstance(form, UserForm):
        return await _form_page(visit, user_id, shown.refused(problems), status=422)
    try:
        saved = await _run(visit, user_id, form)
    except NotFound as gone:
        raise not_found() from gone
    except Conflict as conflict:
        return await _form_page(visit, user_id, shown.refused(conflict.problems), status=409)
    except Refused as refused:
        return await _form_page(visit, user_id, shown.refused(refused.problems), status=422)
    return redirect(f"{LIST}/{saved}?done={'created' if user_id is None else 'saved'}")


async def _run(visit: Visit, user_id: str | None, form: UserForm) -> str:
    """Create or change; the user's id."""
    password = visit.fields.get("portal_password", "")
    hashed = ""
    if form.may_sign_in and password:
        hashed = await visit.deps.work.run(hash_password, password)
    common = (visit.deps.vault, visit.actor, visit.account)
    if user_id is None:
        create_user = partial(admin.create_user, password_hash=hashed)
        return await visit.command(create_user, *common, form)
    update_user = partial(admin.update_user, password_hash=hashed)
    await visit.command(update_user, *common, user_id, form, _version(visit))
    return user_id


def form_data(fields: dict[str, str]) -> dict[str, object]:
    """The fields of the model. What belongs to the other kind of equipment is left out: it was
    hidden, and must not be in the way."""
    hidden = (
        {"equipment_password"}
        if fields.get("equipment") == "static"
        else {"static_transport", "static_address", "static_port"}
    )
    data: dict[str, object] = {
        name: text.strip()
        for name, text in fields.items()
        if name in UserForm.model_fields and name not in hidden
    }
    if data.get("static_port") == "":
        del data["static_port"]
    data["may_sign_in"] = "may_sign_in" in fields
    return data


def portal_password_problems(fields: dict[str, str]) -> tuple[Problem, ...]:
    """What is wrong with the portal password that was typed, if one was."""
    password = fields.get("portal_password", "")
    if "may_sign_in" not in fields or not password:
        return ()
    if PORTAL_PASSWORD_MIN <= len(password) <= PORTAL_PASSWORD_MAX:
        return ()
    text = f"From {PORTAL_PASSWORD_MIN} to {PORTAL_PASSWORD_MAX} characters."
    return (Problem("portal_password", text),)


def _as_problems(form: UserForm | tuple[Problem, ...]) -> tuple[Problem, ...]:
    return () if isinstance(form, UserForm) else form


def stored_values(user: UserRow | None, free_extension: str) -> dict[str, str]:
    """What the form shows before anything is typed."""
    if user is None:
        return {"extension": free_extension, "equipment": "sip", "designated_number": "default"}
    values = {
        "name": user.name,
        "last_name": user.last_name,
        "position": user.position,
        "email": user.email,
        "extension": user.extension,
        "designated_number": user.designated_number,
        "equipment": user.equipment,
        "static_transport": user.static_transport,
        "static_address": user.static_address,
        "static_port": str(user.static_port or ""),
        "role": user.role,
        "version": str(user.version),
    }
    return values | ({"may_sign_in": "on"} if user.may_sign_in else {})


async def _form_page(
    visit: Visit, user_id: str | None, form: Form | None, *, status: int = 200
) -> Response:
    setup = await visit.read(queries.setup, visit.account, user_id)
    if setup is None:
        raise not_found()
    return await visit.page(
        "users/form.html",
        status=status,
        setup=setup,
        form=form or Form(stored_values(setup.user, setup.free_extension)),
        person=_person(visit, setup.user),
        done=DONE.get(visit.query.get("done", ""), ""),
    )


def _person(visit: Visit, user: UserRow | None) -> object:
    """The user's phones right now, ``None`` for a new user."""
    everybody = people(visit.deps.live, visit.deps.snapshots, visit.account)
    return next((p for p in everybody if user and p.extension == user.extension), None)


async def _delete_page(visit: Visit, user_id: str, problems: tuple[Problem, ...] = ()) -> Response:
    deletion = await visit.read(queries.deletion, visit.account, user_id)
    if deletion is None:
        raise not_found()
    return await visit.page(
        "users/delete.html",
        status=409 if problems else 200,
        deletion=deletion,
        problems=problems,
    )


async def _password_page(
    visit: Visit, user_id: str, *, secret: str = "", problem: str = "", status: int = 200
) -> Response:
    setup = await visit.read(queries.setup, visit.account, user_id)
    if setup is None or setup.user is None or setup.user.equipment != "sip":
        raise not_found()
    return await visit.page(
        "users/password.html",
        status=status,
        user=setup.user,
        secret=secret,
        problem=problem,
        strong=visit.state.sessions.is_strong(visit.signed_in),
    )


async def _default_number_page(visit: Visit, problems: tuple[Problem, ...] = ()) -> Response:
    found = await visit.read(queries.default_number, visit.account)
    values = {"default_number": visit.fields.get("default_number", found.current)}
    return await visit.page(
        "users/default_number.html",
        status=422 if problems else 200,
        found=found,
        form=Form(values).refused(problems),
    )


def _version(visit: Visit) -> int:
    """The version that the form was made from; a form of ours always has it."""
    text = visit.fields.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HttpError(400, "The form is not complete. Load the page again.")
    return int(text)

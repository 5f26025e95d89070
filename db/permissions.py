"""What people may do: one table for each of the three questions. They are asked one by one and never mixed.

`users.role` says which areas of the product a person may enter, `company_memberships.role` what they may do with a company's rows,
`operators.role` what they may see and do of the platform itself. A role of one says nothing about the others.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from core.errors import Forbidden
from db.base.accounts import UserRole
from db.base.companies import MemberRole


class Area(StrEnum):
    """A part of the product."""

    SEARCH = "search"  # ask for what was said in videos
    STUDIO = "studio"  # bring in, edit and check videos
    PUBLISH = "publish"
    CHANNELS = "channels"  # know and choose every channel, not only one's default
    WORKBOOK = "workbook"
    LEADS = "leads"
    COMPETITORS = "competitors"
    CONNECTIONS = "connections"
    ALL_VIDEOS = "all_videos"  # a list over users
    USERS = "users"  # make, change and remove users


class CompanyDeed(StrEnum):
    """Something done in a company. The policies of the database say the same of its rows."""

    READ = "read"
    WORK = "work"  # add rows and change those that are there
    REMOVE = "remove"  # rows of others
    CONNECT = "connect"  # change its connections to accounts elsewhere
    INVITE = "invite"
    MANAGE_MEMBERS = "manage_members"
    CLOSE = "close"


class OperatorRole(StrEnum):
    """Who watches and mends the platform."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"


class OperatorDeed(StrEnum):
    """Something done on `/ops` or the dashboard."""

    WATCH = "watch"
    MEND = "mend"  # retry, cancel, pause
    CONFIGURE = "configure"  # limits, weights, operators
    READ_ACTIONS = "read_actions"  # what operators did


# What every signed-in user may enter, as existing clients expect; rows are one's own there in any case.
_EVERYBODY = frozenset({Area.SEARCH, Area.STUDIO, Area.LEADS, Area.COMPETITORS, Area.CONNECTIONS})

AREAS: Mapping[UserRole, frozenset[Area]] = MappingProxyType(
    {
        UserRole.SUPERADMIN: frozenset(Area),  # the workbook too: the one user of a local installation is a superadmin
        UserRole.ADMIN: frozenset(Area) - {Area.USERS, Area.WORKBOOK},
        UserRole.CREATIVE: _EVERYBODY | {Area.PUBLISH},
        UserRole.PICKONE: _EVERYBODY | {Area.WORKBOOK},
        UserRole.SEARCH: _EVERYBODY,
        UserRole.USER: _EVERYBODY,
    }
)
COMPANY_DEEDS: Mapping[MemberRole, frozenset[CompanyDeed]] = MappingProxyType(
    {
        MemberRole.OWNER: frozenset(CompanyDeed),
        MemberRole.ADMIN: frozenset(CompanyDeed) - {CompanyDeed.CLOSE},
        MemberRole.MEMBER: frozenset({CompanyDeed.READ, CompanyDeed.WORK}),
    }
)
OPERATOR_DEEDS: Mapping[OperatorRole, frozenset[OperatorDeed]] = MappingProxyType(
    {
        OperatorRole.ADMIN: frozenset(OperatorDeed),
        OperatorRole.OPERATOR: frozenset({OperatorDeed.WATCH, OperatorDeed.MEND}),
        OperatorRole.VIEWER: frozenset({OperatorDeed.WATCH}),
        OperatorRole.AUDITOR: frozenset({OperatorDeed.WATCH, OperatorDeed.READ_ACTIONS}),
    }
)

# What stands in a refusal.
_COMPANY_WORDS: Mapping[CompanyDeed, str] = MappingProxyType(
    {
        CompanyDeed.READ: "see what it has",
        CompanyDeed.WORK: "add or change anything",
        CompanyDeed.REMOVE: "remove what others added",
        CompanyDeed.CONNECT: "connect accounts for it",
        CompanyDeed.INVITE: "invite anybody",
        CompanyDeed.MANAGE_MEMBERS: "change its members",
        CompanyDeed.CLOSE: "close it",
    }
)
_OPERATOR_WORDS: Mapping[OperatorDeed, str] = MappingProxyType(
    {
        OperatorDeed.WATCH: "look at everybody's work",
        OperatorDeed.MEND: "pause, cancel or repeat everybody's work",
        OperatorDeed.CONFIGURE: "set limits and choose operators",
        OperatorDeed.READ_ACTIONS: "read what operators did",
    }
)


def user_role(stored: str | None) -> UserRole:
    """The role that a row of `users` names; one that is missing or unknown is the least."""
    return UserRole(stored) if stored in set(UserRole) else UserRole.SEARCH


def operator_role(user: UserRole, stored: OperatorRole | None) -> OperatorRole | None:
    """What a person is on the platform: a superadmin of the product is an admin there."""
    return OperatorRole.ADMIN if user is UserRole.SUPERADMIN else stored


def require_area(role: UserRole, area: Area) -> None:
    """Raises Forbidden unless a user of this role may enter the area."""
    if area not in AREAS[role]:
        raise Forbidden(f"your role ({role}) does not open {area.replace('_', ' ')}; ask an administrator for another role")


def require_company_deed(role: MemberRole | None, deed: CompanyDeed) -> None:
    """Raises Forbidden unless a member of this role (None: no member) may do this in the company."""
    if role is None:
        raise Forbidden("you are not a member of this company; ask its owner to invite you")
    if deed not in COMPANY_DEEDS[role]:
        raise Forbidden(f"a company's {role} may not {_COMPANY_WORDS[deed]}; ask its owner")


def require_operator_deed(role: OperatorRole | None, deed: OperatorDeed) -> None:
    """Raises Forbidden unless an operator of this role (None: no operator) may do this."""
    if role is None or deed not in OPERATOR_DEEDS[role]:
        who = "only operators may" if role is None else f"operators with the role {role} may not"
        raise Forbidden(f"{who} {_OPERATOR_WORDS[deed]}; ask an admin of the platform")

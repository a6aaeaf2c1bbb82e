"""The imagined customers of the demo: three organizations, nine teams and 120 end users, the same ones every time."""

import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Team:
    """A team of an organization; ids are what clients put into metadata as teamId and organizationId."""

    id: str
    organization: str
    domain: str


@dataclass(frozen=True)
class Person:
    """An end user of one of the assistants."""

    id: str
    name: str
    email: str
    team: Team
    language: str

    @property
    def props(self) -> dict[str, str]:
        """What the app passes as userProps."""
        return {"name": self.name, "email": self.email, "language": self.language}

    @property
    def place(self) -> dict[str, str]:
        """The metadata that attributes a run to a team and an organization (rule 8)."""
        return {"teamId": self.team.id, "organizationId": self.team.organization}


AIRLINE, RETAIL, CLOUD = "meridian-air", "fjord-and-loom", "kestrel-cloud"

TEAMS = (
    Team("claims-europe", AIRLINE, "meridian-air.example"),
    Team("baggage-tracing", AIRLINE, "meridian-air.example"),
    Team("disruption-desk", AIRLINE, "meridian-air.example"),
    Team("shop-nordics", RETAIL, "mail.example"),
    Team("shop-dach", RETAIL, "mail.example"),
    Team("shop-asia", RETAIL, "mail.example"),
    Team("platform-eng", CLOUD, "kestrel.example"),
    Team("data-eng", CLOUD, "kestrel.example"),
    Team("mobile-eng", CLOUD, "kestrel.example"),
)

_LANGUAGES = {
    "claims-europe": ("en", "en", "de", "fr", "es"),
    "baggage-tracing": ("en", "ar", "fr"),
    "disruption-desk": ("en", "de"),
    "shop-nordics": ("en", "sv"),
    "shop-dach": ("de", "en"),
    "shop-asia": ("ja", "zh", "ko", "en"),
}


def _address(name: str) -> str:
    """Return `ines.almeida` for "Ines Almeida": ASCII, as mail addresses are."""
    spelled = name.lower().replace("ø", "o").replace("ł", "l").replace("'", "")
    folded = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return ".".join(folded.split())


def _people() -> tuple[Person, ...]:
    found: list[Person] = []
    names: dict[str, list[str]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    for team in TEAMS:
        languages = _LANGUAGES.get(team.id, ("en",))
        for position, name in enumerate(names[team.id]):
            address = _address(name)
            user_id = f"cust-{30_400 + 17 * len(found)}" if team.organization == RETAIL else address
            language = languages[position % len(languages)]
            found.append(Person(user_id, name, f"{address}@{team.domain}", team, language))
    return tuple(found)


PEOPLE = _people()


def of(organization: str) -> tuple[Person, ...]:
    """Return the end users of one organization; the first ones of each team are the busiest."""
    return tuple(person for person in PEOPLE if person.team.organization == organization)

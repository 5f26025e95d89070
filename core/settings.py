"""Every setting, documented here and nowhere else; `.env.example` is made from this file."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SandboxMode(StrEnum):
    """How much isolation a child must get."""

    AUTO = "auto"
    REQUIRED = "required"


class PublishTo(StrEnum):
    """Where videos are published."""

    AUTO = "auto"
    YOUTUBE = "youtube"
    OUTBOX = "outbox"


class OAuthClient(BaseModel):
    """What this installation is to a service elsewhere."""

    id: str
    secret: SecretStr


class Settings(BaseSettings):
    """Read once per process from the environment (and a `.env` file in the working folder)."""

    model_config = SettingsConfigDict(frozen=True, env_file=".env", extra="ignore", env_ignore_empty=True)

    # Where things are
    database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL (postgresql://…). Unset: `up` starts its own, on a unix socket."
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis or Valkey (redis://… or unix://…). Unset: `up` starts its own."
    )
    storage_url: str = Field(
        "", description="Where files are kept: file:///absolute/folder. Unset: the folder `storage` of the home."
    )
    askstephen_home: Path = Field(
        Path(".local"), description="Folder of the local stack: databases, storage, logs, keys, the watched folder."
    )

    # Web
    host: str = Field("127.0.0.1", description="Address that the web process binds. Local mode needs a loopback one.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the web page; 0 takes a free one.")
    local_mode: bool = Field(
        default=False, description="One owner on this machine, signed in by the link that `up` prints. Loopback only."
    )
    upload_limit_bytes: int = Field(20 * 1024**3, description="Largest upload taken, bytes.")
    requests_per_minute: int = Field(
        600, ge=1, description="Requests that a user may make in a minute, with whichever key. Local mode counts nobody."
    )
    writes_per_minute: int = Field(
        120, ge=1, description="Those of them that may change something; parts of uploads do not count."
    )
    address_requests_per_minute: int = Field(
        1200, ge=1, description="Requests from one address in a minute; one with a wrong key counts forty times."
    )
    request_statement_seconds: float = Field(
        10.0, gt=0, description="A statement of a request that takes longer is given up, and the request answered with 503."
    )
    superadmin_email: str = Field(
        "", description="Who signs in with this address may make themselves a superadmin, once users are there. Unset: nobody."
    )

    # Ingest
    watch_folder: Path | None = Field(
        None,
        description="Folder whose new videos are taken in. Unset: the folder `watched` of the home. A file is never changed.",
    )
    watch_settle_seconds: float = Field(2.0, description="A file is taken once its size and time stood still this long.")
    watch_owner: str = Field("", description="User id that owns what the watched folder brings. Unset: the local owner.")
    sample: bool = Field(
        default=True,
        description="`up` takes in the bundled sample once, where it made the database itself and that holds no video.",
    )

    # Sign-in
    clerk_issuer: str = Field(
        "", description="Issuer of Clerk's session tokens (https://….clerk.accounts.dev). Unset: no such token is taken."
    )
    clerk_parties: str = Field(
        "",
        description="Origins of the pages whose session tokens are taken (`azp`), with commas between. Unset: PUBLIC_URL alone.",
    )
    clerk_secret_key: SecretStr = Field(
        SecretStr(""),
        description="Clerk's key of its Backend API (sk_…), to ask it for users' addresses where tokens do not tell. "
        "Unset: such users have none here.",
    )
    clerk_publishable_key: str = Field("", description="Clerk's key for pages (pk_…); anybody may read it.")

    # Connected accounts
    public_url: str = Field(
        "",
        description="Where the services outside reach this installation (https://…). Unset: they tell us nothing, the sweep finds it.",
    )
    google_client_id: str = Field("", description="Client id of the Google Cloud project, for Drive and YouTube accounts.")
    google_client_secret: SecretStr = Field(SecretStr(""), description="Its secret.")
    dropbox_app_key: str = Field("", description="Key of the Dropbox app.")
    dropbox_app_secret: SecretStr = Field(
        SecretStr(""), description="Its secret. Unset: messages of Dropbox are not taken, the sweep finds what is new."
    )
    oauth_clients: dict[str, OAuthClient] = Field(
        {},
        description='Client ids and secrets at other services, by the name of the provider: {"onedrive": {"id": "…", "secret": "…"}}.',
    )
    sweep_seconds: float = Field(
        240.0,
        gt=0,
        description="A followed folder is looked at this often, whatever was told. What was missed is found by then.",
    )

    # Speech
    whisper_model: str = Field(
        "tiny.en", description="`tiny.en` (bundled, pinned by hash) or the absolute folder of a CTranslate2 Whisper model."
    )
    whisper_threads: int = Field(2, description="CPU threads of one transcription.")

    # Language model and screens
    openai_api_key: SecretStr = Field(
        SecretStr(""),
        description="Key of an OpenAI-compatible endpoint. With it or an address, transcripts and workbook answers are sent there.",
    )
    openai_base_url: str = Field("", description="Address of that endpoint (https://…/v1). Unset: OpenAI's own.")
    language_model: str = Field(
        "gpt-6-luna", description="Model that reviews, coaches and drafts; without an endpoint rules do."
    )
    embedding_model: str = Field(
        "", description="Model that places texts by meaning, for search. Unset: search goes by words, in the database."
    )

    coach_wait_seconds: float = Field(
        25.0, ge=0, description="How long a request of an earlier client waits for the coach; then it is told to ask again."
    )
    review_budget_tokens: int = Field(
        200_000, ge=0, description="Tokens that a model may read for one confidentiality check; what is left is told as unread."
    )
    screen_pictures: int = Field(
        60,
        ge=0,
        le=1000,
        description="Pictures of a video in which text on the screen is read, a second each; 0 switches it off.",
    )

    # Leads
    leads_provider: str = Field(
        "auto",
        description="Where leads are searched: directory (a CSV file), places (Google), workflow (an address that is posted each "
        "search), the name of another source that is installed, or auto: the workflow where it has an address, else places where it has a key, else the directory.",
    )
    leads_webhook_url: SecretStr = Field(
        SecretStr(""), description="Address of an external workflow that searches for leads, and calls back under PUBLIC_URL."
    )
    leads_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="What searches and callbacks are signed with (Standard Webhooks): whsec_ and at least 24 random bytes in base64. "
        "Unset: no callback is taken.",
    )
    leads_webhook_hours: float = Field(
        6.0,
        gt=0,
        le=168,
        description="How long a search waits for its workflow to call back. A later answer is kept all the same.",
    )
    leads_directory: Path | None = Field(
        None,
        description="CSV file of businesses, with the columns of `samples/businesses.csv`. Unset: that sample, all invented.",
    )
    google_places_api_key: SecretStr = Field(
        SecretStr(""), description="Key of the Google Cloud project, for Places. Google limits what of its answers may be kept."
    )

    places_page_mills: int = Field(
        35,
        ge=0,
        description="What a page of Google Places costs, in thousandths of a dollar; counted by the budget places.mills too.",
    )
    places_search_mills: int = Field(
        3000,
        ge=0,
        description="What one search for leads may cost there; what was found until then is kept, and the search says so.",
    )

    # Messages to users
    tell_by: Literal["auto", "webhook", "email", "outbox"] = Field(
        "auto",
        description="How users are told of new leads and of changes: webhook, email, or outbox (files in the folder `outbox` of the "
        "home). auto: the first of them that is configured.",
    )
    tell_webhook_url: SecretStr = Field(
        SecretStr(""), description="Address that gets every user's messages by POST, signed as Standard Webhooks says."
    )
    tell_webhook_secret: SecretStr = Field(
        SecretStr(""), description="The secret that they are signed with: whsec_ and at least 24 random bytes in base64."
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Mail server: smtp://user:password@host:587 (with STARTTLS) or smtps://…. E-mail goes to each user's own address.",
    )
    smtp_from: str = Field("", description="Address that e-mail comes from.")

    # Guard
    guard_allowed: str = Field(
        "",
        description="Host names and networks (a,b,10.0.0.0/8) that URLs of users may lead to though they are not public, or are "
        "behind HTTPS_PROXY.",
    )

    url_extractors: str = Field(
        "generic,html5,youtube,vimeo,loom,wistia,dailymotion,streamable,archive.org,peertube",
        description="Sites that videos are taken from by URL, by their names in yt-dlp; generic: files and pages of any site.",
    )

    # Publishing
    publish_to: PublishTo = Field(
        PublishTo.AUTO,
        description="youtube, outbox (a folder), or auto: YouTube for who has connected an account, else the outbox.",
    )
    publish_folder: Path | None = Field(None, description="The outbox. Unset: the folder `published` of the home.")
    publish_chunk_bytes: int = Field(
        4 << 20,
        ge=256 << 10,
        multiple_of=256 << 10,
        description="Bytes sent to YouTube in one request, which may take 30 s: less where the line is slow.",
    )

    # Competitors
    web_user_agent: str = Field(
        "AskStephenBot/1.0",
        description="How this product names itself to the sites of competitors; best with an address for questions.",
    )
    youtube_feed_url: str = Field(
        "https://www.youtube.com/feeds/videos.xml?channel_id={channel}", description="Where the feed of a YouTube channel is."
    )

    # Children
    sandbox: SandboxMode = Field(
        SandboxMode.AUTO, description="auto: isolate as far as the machine allows; required: refuse to start with less."
    )

    # Jobs
    lease_seconds: float = Field(10.0, description="A running step whose worker is silent this long is run again.")
    grace_seconds: float = Field(25.0, description="How long a stopping worker lets steps reach a checkpoint.")
    attempts_folder: Path | None = Field(
        None, description="Scratch of running attempts. Unset: the folder `attempts` of the home."
    )

    # How long things are kept
    hot_days: int = Field(
        7,
        ge=1,
        description="Days after which a job that succeeded or was cancelled moves to the archive; it is shown as before.",
    )
    hot_failed_days: int = Field(30, ge=1, description="The same for one that failed or was quarantined.")
    retention_days: int = Field(
        400, ge=31, description="Days for which anything is known of a job that ended; forgotten by whole months."
    )
    reading_days: int = Field(
        90,
        ge=1,
        description="Days for which a reading of a competitor is kept that showed no change. The newest are kept in any case.",
    )

    # Log
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else JSON lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level written.")

    # Secrets
    secret_keys: SecretStr = Field(
        SecretStr(""), description="Key ring `kid:base64,…`, newest first, 32 bytes each. Unset: the home's key file."
    )

    @model_validator(mode="after")
    def _archive_before_forgetting(self) -> Self:
        if self.retention_days < max(self.hot_days, self.hot_failed_days):
            raise ValueError("RETENTION_DAYS must not be less than HOT_DAYS and HOT_FAILED_DAYS: raise it, or lower those")
        return self

    @model_validator(mode="after")
    def _local_mode_on_loopback(self) -> Self:
        if self.local_mode and self.host not in _LOOPBACK:
            raise ValueError(f"HOST={self.host} is not loopback, where local mode ends: set HOST=127.0.0.1 or LOCAL_MODE=false")
        return self

    @property
    def home(self) -> Path:
        """The home as an absolute path."""
        return self.askstephen_home.expanduser().absolute()

    @property
    def clerk_origins(self) -> frozenset[str]:
        """Pages whose session tokens are taken."""
        return frozenset(
            part.strip().rstrip("/") for part in (self.clerk_parties or self.public_url).split(",") if part.strip()
        )

    @property
    def has_language_model(self) -> bool:
        """Whether an endpoint is configured."""
        return bool(self.openai_api_key.get_secret_value() or self.openai_base_url)

    @property
    def scratch(self) -> Path:
        """Where running attempts write."""
        return self.attempts_folder or self.home / "attempts"

    @property
    def published(self) -> Path:
        """The outbox."""
        return self.publish_folder or self.home / "published"

    @property
    def watched(self) -> Path:
        """The watched folder."""
        return self.watch_folder or self.home / "watched"


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()


def env_example() -> str:
    """The text of `.env.example`: every setting with its words and its default, commented out."""
    lines = ["# Made by `./askstephen settings`; every setting is documented in core/settings.py.", ""]
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        lines += [f"# {field.description}", f"# {name.upper()}={shown}", ""]
    return "\n".join(lines)

"""Put a file into a twin by the service's own API, in plain HTTP: what a person would drag into the folder."""

import json
import ssl
import urllib.request
from pathlib import Path

from core.errors import Misconfigured
from twins.running import Twins

ACCOUNT = "owner@example.com"  # who agrees at the consent pages


def put_file(twins: Twins, service: str, file: Path) -> None:
    """Upload into the top folder of `drive` or `dropbox`. Raises Misconfigured."""
    content = file.read_bytes()
    if service == "drive":
        token = twins.grant("google", ACCOUNT, ["https://www.googleapis.com/auth/drive"])["access_token"]
        url = "https://www.googleapis.com/upload/drive/v3/files?uploadType=multipart"
        mark = b"--the-file-of-a-twin"
        head = json.dumps({"name": file.name}).encode()
        body = (
            mark + b"\nContent-Type: application/json\n\n" + head + b"\n" + mark + _kind(file) + content + b"\n" + mark + b"--"
        )
        headers = {"Content-Type": f"multipart/related; boundary={mark.removeprefix(b'--').decode()}"}
    else:
        token = twins.grant("dropbox", ACCOUNT, [])["access_token"]
        url, body = "https://content.dropboxapi.com/2/files/upload", content
        argument = json.dumps({"path": f"/{file.name}", "mode": "overwrite"})
        headers = {"Content-Type": "application/octet-stream", "Dropbox-API-Arg": argument}
    trust = ssl.create_default_context(cafile=str(twins.home / "authority.pem"))
    proxy = urllib.request.ProxyHandler({"https": twins.environment()["HTTPS_PROXY"]})
    opener = urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=trust))
    request = urllib.request.Request(url, body, {**headers, "Authorization": f"Bearer {token}"})  # noqa: S310  https
    try:
        opener.open(request, timeout=60).close()
    except OSError as error:
        raise Misconfigured(f"the twin of {service} did not take {file}: {error}") from None


def _kind(file: Path) -> bytes:
    kind = "video/quicktime" if file.suffix.lower() == ".mov" else "video/mp4"
    return f"\nContent-Type: {kind}\n\n".encode()

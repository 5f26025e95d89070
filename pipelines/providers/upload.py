"""Videos that were sent to us: their bytes are in storage before the request is made."""

from collections.abc import Callable

from core.errors import Refused
from core.storage import Storage
from pipelines.providers.base import Fetched, Wanted, check_file_name, copy_hashed


class Upload:
    """`Wanted.path` is the storage key."""

    def fetch(self, wanted: Wanted, storage: Storage, key: str, *, progress: Callable[[float], None]) -> Fetched:  # noqa: ARG002
        """Hash the bytes where they are."""
        check_file_name(wanted.file_name)
        size_bytes = storage.size(wanted.path)
        with storage.open(wanted.path) as source:
            size, sha256 = copy_hashed(source, None, size_bytes, progress=progress)
        if wanted.size_bytes is not None and size != wanted.size_bytes:
            raise Refused(f"Only {size} of {wanted.size_bytes} bytes of this upload arrived. Please upload the file again.")
        return Fetched(wanted.path, size, sha256)


PROVIDER = Upload()

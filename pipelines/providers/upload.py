"""Videos that were sent to us: their bytes are in storage before the request is made."""

from core.errors import Refused
from pipelines.providers.base import Delivery, Fetched, Wanted, check_file_name, copy_hashed


class Upload:
    """`Wanted.path` is the storage key."""

    is_outside = False

    def fetch(self, wanted: Wanted, delivery: Delivery) -> Fetched:
        """Hash the bytes where they are."""
        check_file_name(wanted.file_name)
        size_bytes = delivery.storage.size(wanted.path)
        with delivery.storage.open(wanted.path) as source:
            size, sha256 = copy_hashed(source, None, size_bytes, progress=delivery.progress)
        if wanted.size_bytes is not None and size != wanted.size_bytes:
            raise Refused(f"Only {size} of {wanted.size_bytes} bytes of this upload arrived. Please upload the file again.")
        return Fetched(wanted.path, size, sha256)


PROVIDER = Upload()
